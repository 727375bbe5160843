{#-
    Unweighted base of a weighted estimate: too few respondents. Below `suppress` the cell is unsafe; below `mark` it is
    published with the marker [u], of low reliability (both strict: exactly the limit is neither). Says nothing about measures
    without weights. Protection level 0.
    Source: Government Statistical Service guidance on symbols and on disclosure control for surveys.
-#}
{%- macro rule_unweighted_base(measure, asked, product) -%}
    {%- if not product.measures[measure].get('weight') or asked.suppress is none -%}{{- return(none) -}}{%- endif -%}
    {{- return({
        'condition': measure ~ '_contributors > 0 and ' ~ measure ~ '_unweighted < ' ~ asked.suppress,
        'upl': '0'
    }) -}}
{%- endmacro -%}


{%- macro unweighted_base_parameters() -%}
    {{- return({
        'suppress': sdc._parameter('larger', 'a whole number of respondents, 1 or more', lowest=1, whole=true),
        'mark': sdc._parameter('larger', 'a whole number of respondents, 1 or more', lowest=1, whole=true)
    }) -}}
{%- endmacro -%}


{#- The reliability of a measure's cells as SQL: 'low' below the limit of the marker [u], else NULL. -#}
{%- macro _reliability(measure, product, in_force) -%}
    {%- if sdc._marks_reliability(measure, product, in_force) -%}
        case when coalesce({{ measure }}_unweighted < {{ in_force.unweighted_base.mark }}, true) then 'low' end
    {%- else -%}
        cast(null as varchar)
    {%- endif -%}
{%- endmacro -%}


{#- Can a measure's cells be marked [u]? -#}
{%- macro _marks_reliability(measure, product, in_force) -%}
    {{- return(product.measures[measure].get('weight') and in_force.get('unweighted_base', {}).get('mark') is not none) -}}
{%- endmacro -%}
