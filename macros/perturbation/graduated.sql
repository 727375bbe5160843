{#-
    graduated(column): graduated rounding, as SQL: the larger the value, the coarser the base.
    Scale of the Business Register and Employment Survey (ONS): 1-49 to 5, 50-249 to 25, 250-499 to 50, 500-999 to 100,
    1,000-2,499 to 250, 2,500-4,999 to 500, 5,000 and more to 1,000.
-#}
{%- macro graduated(column) -%}
    case
        {%- for from, base in sdc._graduated_scale() | reverse %}
        when {{ column }} >= {{ from }} then {{ sdc.rounded(column, base) }}
        {%- endfor %}
    end
{%- endmacro -%}


{#- [(from, base)], ascending. -#}
{%- macro _graduated_scale() -%}
    {{- return([(0, 5), (50, 25), (250, 50), (500, 100), (1000, 250), (2500, 500), (5000, 1000)]) -}}
{%- endmacro -%}
