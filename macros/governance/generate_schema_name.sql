{#- Schemas are called what they are: the zone's name, without the target's name in front. -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
    {{- (custom_schema_name or target.schema) | trim -}}
{%- endmacro -%}
