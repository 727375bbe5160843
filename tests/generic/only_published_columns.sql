{#-
    only_published_columns (on a mart)

    The table has no column but the product's `by` columns, dimensions, their labels, and measures with their markers;
    a marker is [c] exactly where the value is missing, or, of a derived measure, [z]. A failing row names the column.
-#}
{% test only_published_columns(model) %}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set mart = sdc._mart(model) -%}
    {%- set allowed = mart.product.by + mart.product.dimensions -%}
    {%- for name in mart.product.dimensions -%}{%- do allowed.append(name ~ '_label') -%}{%- endfor -%}
    {%- for name in mart.product.measures.keys() | list + mart.product.derived.keys() | list -%}
        {%- do allowed.extend([name, name ~ '_marker']) -%}
    {%- endfor -%}

{% for column in mart.columns if column not in allowed -%}
select
    '{{ column }}' as column_name,
    'not a published column of the product' as problem

union all

{% endfor -%}
{% for measure in mart.measures + mart.derived -%}
select
    '{{ measure }}_marker' as column_name,
    'does not say [c] exactly where the value is missing' as problem
from {{ model }}
where
    ({{ measure }} is null)
    <> coalesce({{ measure }}_marker in ('[c]'{{ ", '[z]'" if measure in mart.derived }}), false)

union all
{% endfor %}
select
    measure as column_name,
    problem
from ({{ sdc._not_examined(model, model) }})
{% endtest %}
