{#-
    adds_up (on a mart)

    Where a total and all its parts are published, the total is the sum of the parts. Parts that are empty cells count
    as zero; a sum with a part that the mart leaves out or suppresses is not looked at.
    A failing row names measure, dimension and total.
-#}
{% test adds_up(model) %}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set mart = sdc._mart(model) -%}
    {%- set product = mart.product -%}
    {%- set method = mart.protected.config.meta.get('sdc_method') -%}
    {%- if method and method not in sdc._additive_methods() -%}
        {%- do exceptions.raise_compiler_error('adds_up on ' ~ mart.node.name ~ ': tables made by the method ' ~ method
            ~ ' need not add up. Drop this test, or use sdc.round_controlled() or sdc.adjust()') -%}
    {%- endif -%}
    {%- set key = product.by + product.dimensions -%}

with

published as (
    {{ sdc._published_cells(model, mart) }}
)

{% for name in mart.dimensions -%}
{%- for measure in mart.measures %}
select
    '{{ measure }}' as measure,
    '{{ name }}' as dimension,
    {{ sdc._cell_name(key, 'parents.') }} as total
from (
    select
        {{ sdc._prefixed(key | reject('equalto', name), '') }}
        unnest({{ name }}_parents).hierarchy as hierarchy,
        unnest({{ name }}_parents).code as {{ name }},
        {{ measure }} as part_value,
        cell_found,
        {{ measure }}_published as part_published
    from (
        select
            cells.*,
            published.cell_id is not null as cell_found,
            published.{{ measure }}_published
        from {{ product.relation }} as cells
        left join published using ({{ key | join(', ') }})
    )
) as parts
inner join published as parents using ({{ key | join(', ') }})
where parents.{{ measure }}_published is not null
group by {{ sdc._prefixed(key, 'parents.') }} parts.hierarchy, parents.{{ measure }}_published
having
    bool_and((parts.cell_found and parts.part_published is not null) or parts.part_value = 0)
    and sum(coalesce(parts.part_published, 0)) <> parents.{{ measure }}_published

union all
{% endfor -%}
{%- endfor %}

{{ sdc._not_examined(model, 'published') }}
{% endtest %}
