{#-
    rounded(column, base): a value rounded to the nearest multiple of a base, halves upwards, as SQL.
    Conventional rounding protects only what has been suppressed first: use it through round_conventional().
-#}
{%- macro rounded(column, base) -%}
    cast(floor((2 * {{ column }} + {{ base }}) / {{ 2 * base }}) as bigint) * {{ base }}
{%- endmacro -%}
