{#-
    The least protection the policy allows (policy section 5: minimum requirements), for every table whatever its rule
    set. Not a variable, so that no command line can lower it: changing it is a reviewed change of this file.
-#}
{%- macro _policy_floor() -%}
    {{- return({'threshold': 3}) -}}
{%- endmacro -%}
