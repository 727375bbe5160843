{#-
    Minimum frequency: a cell is unsafe when some contributors, but fewer than the threshold, have a record in it
    (`0 < n < T`, strict: a cell of exactly T is safe; an empty cell is safe). Contributors are distinct units, not
    records. Protection level 0: exact disclosure must be impossible.
    Source: Handbook on Statistical Disclosure Control (2nd ed.), minimum frequency rule.
-#}
{%- macro rule_threshold(measure, minimum) -%}
    {{- return({
        'condition': measure ~ '_contributors > 0 and ' ~ measure ~ '_contributors < ' ~ minimum,
        'upl': '0'
    }) -}}
{%- endmacro -%}
