{#-
    published(measure): the two columns of a measure that may leave the house, as SQL:
    `<measure>` (NULL where suppressed) and `<measure>_marker` ([c] where suppressed, primary and secondary alike).
    Select it from a protected model in a model materialized as `publication`.
-#}
{%- macro published(measure) -%}
    {%- do sdc._require(sdc._is_name(measure), 'published', 'measure', 'the name of a measure declared in cells()', measure) -%}
    case when {{ measure }}_status = 'safe' then {{ measure }} end as {{ measure }},
    case when {{ measure }}_status = 'safe' then cast(null as varchar) else '[c]' end as {{ measure }}_marker
{%- endmacro -%}
