{#-
    Minimum frequency: a cell is unsafe when some contributors, but fewer than the threshold, have a record in it
    (`0 < n < T`, strict: a cell of exactly T is safe; an empty cell is safe). Contributors are distinct units, not
    records: three sites with one owner are one. `records` asks for a least number of records besides.
    Protection level 0: exact disclosure must be impossible.
    Source: Handbook on Statistical Disclosure Control (2nd ed.), minimum frequency rule.
-#}
{%- macro rule_threshold(measure, asked, product) -%}
    {%- set counted = {'contributors': measure ~ '_contributors', 'records': 'records'} -%}
    {%- set below = [] -%}
    {%- for what, least in asked.items() if least is not none -%}
        {%- do below.append(counted[what] ~ ' < ' ~ least) -%}
    {%- endfor -%}
    {{- return({
        'condition': measure ~ '_contributors > 0 and (' ~ below | join(' or ') ~ ')',
        'upl': '0',
        'of_count': true,
        'of_sums': asked.contributors
    }) -}}
{%- endmacro -%}


{%- macro threshold_parameters() -%}
    {{- return({
        'contributors': sdc._parameter('larger', 'a whole number of contributors, 1 or more', lowest=1, whole=true),
        'records': sdc._parameter('larger', 'a whole number of records, 1 or more', lowest=1, whole=true)
    }) -}}
{%- endmacro -%}
