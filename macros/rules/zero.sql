{#-
    Sensitive zeros: a cell is unsafe when its value is zero although contributors are in it, because the value then says
    that each contributed nothing. Structural zeros (no contributors) are known to everybody and never sensitive. Required
    protection: an attacker must think `range` possible, in units of the measure.
    Source: Handbook on Statistical Disclosure Control (2nd ed.), zeros; tau-Argus manual, zero-unsafe and its range.
-#}
{%- macro rule_zero(measure, asked, product) -%}
    {{- return({
        'condition': measure ~ '_contributors > 0 and ' ~ measure ~ ' = 0',
        'upl': asked.range | string
    }) -}}
{%- endmacro -%}


{%- macro zero_parameters() -%}
    {{- return({
        'range': sdc._parameter('larger', 'a number of units of the measure, 0 or more', default=0)
    }) -}}
{%- endmacro -%}
