{#-
    no_disclosive_cells (on a mart)

    No published number is unsafe by the primary rules in force, recomputed from the contributions: contributors are
    counted again for every published cell, statuses and the cells model's counts are not looked at. A published number
    must also be the sum of its contributions.

    contributions   name of the contributions model; default: the model that cells() tabulates
    A failing row names measure, rule and cell.
-#}
{% test no_disclosive_cells(model, contributions=none) %}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set mart = sdc._mart(model) -%}
    {%- set product = mart.product -%}
    {%- set source = sdc._contributions_of(product.node, contributions) -%}
    {%- set in_force = sdc._gate_rules(mart.protected) -%}

with recursive

published as (
    {{ sdc._published_cells(model, mart) }}
),

contributions as (
    select
        {%- for column in product.by + product.dimensions %}
        cast({{ column }} as varchar) as {{ column }},
        {%- endfor %}
        {%- for measure in mart.measures %}
        {{ sdc._contribution(dict(product.measures[measure], name=measure)) }} as {{ measure }},
        {%- endfor %}
        cast({{ product.contributor }} as varchar) as contributor
    from {{ source }}
),

{% for name in product.dimensions -%}
{{ name }}_above as (
    select distinct
        {{ name }} as code,
        {{ name }} as ancestor
    from {{ product.relation }}
    union
    select
        above.code,
        parents.code as ancestor
    from {{ name }}_above as above
    inner join (
        select distinct
            {{ name }} as child,
            unnest({{ name }}_parents).code as code
        from {{ product.relation }}
    ) as parents on above.ancestor = parents.child
),

{% endfor -%}
counted as (
    select
        {{ sdc._prefixed(product.by, 'contributions.') }}
        {%- for name in product.dimensions %}
        {{ name }}_above.ancestor as {{ name }},
        {%- endfor %}
        {%- for measure in mart.measures %}
        sum(contributions.{{ measure }}) as {{ measure }}_again,
        count(distinct contributions.contributor) filter (where contributions.{{ measure }} is not null)
            as {{ measure }}_contributors{{ ',' if not loop.last }}
        {%- endfor %}
    from contributions
    {%- for name in product.dimensions %}
    inner join {{ name }}_above on contributions.{{ name }} = {{ name }}_above.code
        {%- if name not in mart.dimensions %}
        and {{ name }}_above.ancestor = '{{ product.totals[name] | replace("'", "''") }}'
        {%- endif %}
    {%- endfor %}
    group by all
)

{% for measure in mart.measures -%}
{%- for rule in sdc._primary(measure, in_force) %}
select
    '{{ measure }}' as measure,
    'unsafe by the rule {{ rule.rule }}' as problem,
    {{ sdc._cell_name(product.by + product.dimensions, 'published.') }} as cell
from published
inner join counted using ({{ (product.by + product.dimensions) | join(', ') }})
where
    published.{{ measure }}_published is not null
    and {{ sdc._qualified(rule.condition, measure, 'counted') }}

union all
{% endfor %}
select
    '{{ measure }}' as measure,
    'not the sum of its contributions' as problem,
    {{ sdc._cell_name(product.by + product.dimensions, 'published.') }} as cell
from published
left join counted using ({{ (product.by + product.dimensions) | join(', ') }})
where
    published.{{ measure }}_published is not null
    and published.{{ measure }}_published <> coalesce(counted.{{ measure }}_again, 0)

union all
{% endfor %}

{{ sdc._not_examined(model, 'published') }}
{% endtest %}
