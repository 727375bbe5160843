{#-
    published(measure, protected): the two columns of a measure that may leave the house, as SQL:
    `<measure>` (NULL where suppressed) and `<measure>_marker` ([c] where suppressed, primary and secondary alike; [u]
    where shown, but of low reliability by the rule unweighted_base).
    Select it from a protected model in a model materialized as `publication`.

    A derived measure (macros/cells/derived.sql) is computed here from published parts. It is [c] where a part is, [z] where
    the published parts have no such value, and [u] where a part is. Growth and quantiles read other rows of the protected model: give it,
    `sdc.published('turnover_growth', ref('int_shops__protected'))`.
-#}
{%- macro published(measure, protected=none) -%}
    {%- do sdc._require(sdc._is_name(measure), 'published', 'measure', 'the name of a measure declared in cells()', measure) -%}
    {%- set product = sdc._derived_of(model) if execute else {'derived': {}} -%}
    {%- if measure in product.derived -%}
        {%- set derived = product.derived[measure] -%}
        {%- do sdc._require(protected is not none or derived.kind not in ['growth', 'quantile'], 'published', 'protected',
            'the protected model, because ' ~ derived.kind ~ ' reads other rows of it: sdc.published("' ~ measure
            ~ '", ref("..."))', protected) -%}
        {%- set sql = sdc._derived_sql(derived, product, protected) -%}
    case when {{ sql.is_safe }} then {{ sql.value }} end as {{ measure }},
    {{ sql.marker }} as {{ measure }}_marker
    {%- else -%}
    case when {{ measure }}_status = 'safe' then {{ measure }} end as {{ measure }},
    case when {{ measure }}_status = 'safe' then {{ sdc._low_marker(model, measure) }} else '[c]' end as {{ measure }}_marker
    {%- endif -%}
{%- endmacro -%}


{#- The marker of a cell that is shown: [u] below the limit of reliability, where the protected model has one, or NULL. -#}
{%- macro _low_marker(node, measure) -%}
    {%- set protected = sdc._upstream_with_role(node, 'protected') if execute else [] -%}
    {%- if protected | length == 1 -%}
        {%- set product = sdc._product_of(protected[0], 'published') -%}
        {%- if measure in product.measures and sdc._marks_reliability(measure, product, sdc._rules_of(protected[0])) -%}
            {{- return("case when " ~ measure ~ "_reliability = 'low' then '[u]' end") -}}
        {%- endif -%}
    {%- endif -%}
    {{- return('cast(null as varchar)') -}}
{%- endmacro -%}
