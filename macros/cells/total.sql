{#-
    total(): the code of a dimension's total, as SQL: `where age_band = {{ sdc.total() }}`.
    Every dimension's total has this code unless its declaration in cells() says otherwise (`total`).
-#}
{%- macro total() -%}
    '{{ sdc.total_code() }}'
{%- endmacro -%}


{#- The same as text, for macros. -#}
{%- macro total_code() -%}
    {{- return('Total') -}}
{%- endmacro -%}
