{#-
    no_disclosive_cells (on a mart)

    No published number is unsafe by the primary rules in force, recomputed from the contributions: contributors are
    counted again for every published cell, statuses and the cells model's counts are not looked at. A published number
    must also be the sum of its contributions; a derived one must be made of parts that are safe, and, within a cell, of
    their sums.

    Where an alternative to suppression protects the mart, the published number is what that method makes of the sum of its
    contributions (see macros/testing/methods.sql).

    contributions   name of the contributions model; default: the model that cells() tabulates
    hierarchies     {dimension: name of its hierarchy}, where every table of the product limits the depth of a dimension:
                    the cells then do not tell where the codes of the contributions belong
    A failing row names measure, rule and cell.
-#}
{% test no_disclosive_cells(model, contributions=none, hierarchies={}) %}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set mart = sdc._mart(model) -%}
    {%- set product = mart.product -%}
    {%- set source = sdc._contributions_of(product.node, contributions) -%}
    {%- set method = mart.protected.config.meta.get('sdc_method') -%}
    {%- set in_force = sdc._gate_rules(mart.protected) -%}
    {%- set measures = mart.measures | list -%}
    {%- for name in mart.derived -%}
        {%- do measures.extend(product.derived[name].parts | reject('in', measures) | list) -%}
    {%- endfor -%}
    {%- set unsafe_of = measures | list -%}
    {#- what its count makes unsafe is unsafe in every measure: the counts are counted too -#}
    {%- for name, declared in product.measures.items() if declared.kind == 'records' and name not in measures -%}
        {%- do measures.append(name) -%}
    {%- endfor -%}
    {%- set recounted = dict(product, measures=[], magnitudes=[]) -%}
    {%- for name in measures -%}
        {%- set measure = dict(product.measures[name], name=name) -%}
        {%- do recounted.measures.append(measure) -%}
        {%- if not sdc._is_count(measure) -%}{%- do recounted.magnitudes.append(measure) -%}{%- endif -%}
    {%- endfor -%}
    {%- set key = (product.by + product.dimensions) | join(', ') -%}

with recursive

published as (
    {{ sdc._published_cells(model, mart) }}
),

contributions as (
    {{ sdc._contributions(source, recounted, product.dimensions) | indent }}
),

{% for name in product.dimensions -%}
{{ name }}_steps as (
    select
        {{ name }} as child,
        unnest({{ name }}_parents).code as code
    from {{ product.relation }}
    {%- if name in hierarchies %}
    union
    select
        cast(code as varchar) as child,
        cast(parent as varchar) as code
    from {{ sdc._contributions_of(product.node, hierarchies[name]) }}
    where parent is not null
    {%- endif %}
),

{{ name }}_above as (
    select distinct
        {{ name }} as code,
        {{ name }} as ancestor
    from contributions
    union
    select
        above.code,
        steps.code as ancestor
    from {{ name }}_above as above
    inner join {{ name }}_steps as steps on above.ancestor = steps.child
),

{% endfor -%}
-- straight from the records to each cell, and contributor by contributor
placed as (
    select
        {{ sdc._prefixed(product.by, 'contributions.') }}
        {%- for name in product.dimensions %}
        {{ name }}_above.ancestor as {{ name }},
        {%- endfor %}
        contributions.* exclude ({{ (product.by + product.dimensions) | join(', ') }})
    from contributions
    {%- for name in product.dimensions %}
    inner join {{ name }}_above on contributions.{{ name }} = {{ name }}_above.code
        {%- if name not in mart.dimensions %}
        and {{ name }}_above.ancestor = '{{ product.totals[name] | replace("'", "''") }}'
        {%- endif %}
    {%- endfor %}
),

contributors as (
    select
        {{ key }},
        contributor
        {{- sdc._contributor_totals(recounted) | indent(8) }}
    from placed
    group by {{ key }}, contributor
),

merged as (
    select
        {{ key }},
        {{- sdc._merged(recounted) | indent(8) }}
    from (
        select
            {{ key }},
            {{- sdc._values(recounted) | indent(12) }}
        from placed
        union all by name
        select
            {{ key }},
            {{- sdc._of_one_contributor(recounted) | indent(12) }}
        from contributors
    )
    group by {{ key }}
),

counted as (
    select
        {{ key }},
        {{- sdc._statistics(recounted) | indent(8) }}
    from merged as rolled
){{ ',' if unsafe_of }}

{% for measure in unsafe_of -%}
{{ measure }}_primary as (
    {{ sdc._primary_cells(measure, product, in_force, cells='counted', key=product.by + product.dimensions) | indent }}
){{ ',' if not loop.last }}

{% endfor -%}
{% for measure in mart.measures if method -%}
{{ sdc._method_findings(mart, measure, in_force) }}

union all

{% endfor -%}
{% for name in mart.derived if method -%}
{{ sdc._derived_findings(mart, name) }}

union all

{% endfor -%}
{% for name in mart.derived if not method -%}
{%- set derived = product.derived[name] -%}
{%- for part in derived.parts %}
select
    '{{ name }}' as measure,
    '{{ part }}, a part of it, is unsafe by the rule ' || {{ part }}_primary.rule as problem,
    {{ sdc._cell_name(product.by + product.dimensions, 'published.') }} as cell
from published
inner join {{ part }}_primary using ({{ key }})
where published.{{ name }}_published is not null and {{ part }}_primary.rule is not null

union all
{% endfor %}
{%- if derived.kind in ['mean', 'ratio', 'percentage'] %}
select
    '{{ name }}' as measure,
    'not made of the sums of the contributions' as problem,
    {{ sdc._cell_name(product.by + product.dimensions, 'published.') }} as cell
from published
left join counted using ({{ key }})
where
    published.{{ name }}_published is not null
    and published.{{ name }}_published is distinct from cast(
        {{ '100 * ' if derived.kind == 'percentage' }}counted.{{ derived.parts[0] }} / nullif(counted.{{ derived.parts[1] }}, 0)
        as decimal(38, {{ derived.decimals }})
    )

union all
{% endif -%}
{% endfor -%}
{% for measure in mart.measures if not method -%}
select
    '{{ measure }}' as measure,
    'unsafe by the rule ' || {{ measure }}_primary.rule as problem,
    {{ sdc._cell_name(product.by + product.dimensions, 'published.') }} as cell
from published
inner join {{ measure }}_primary using ({{ key }})
where published.{{ measure }}_published is not null and {{ measure }}_primary.rule is not null

union all

select
    '{{ measure }}' as measure,
    'not the sum of its contributions' as problem,
    {{ sdc._cell_name(product.by + product.dimensions, 'published.') }} as cell
from published
left join counted using ({{ (product.by + product.dimensions) | join(', ') }})
where
    published.{{ measure }}_published is not null
    and published.{{ measure }}_published <> coalesce(counted.{{ measure }}, 0)

union all
{% endfor %}

{% for name in product.dimensions -%}
select distinct
    'every measure' as measure,
    'the contributions have codes of {{ name }} that are in no cell: name its hierarchy with the argument `hierarchies`' as problem,
    '' as cell
from {{ name }}_above
group by code
having not bool_or(ancestor = '{{ product.totals[name] | replace("'", "''") }}')

union all

{% endfor -%}
{{ sdc._not_examined(model, 'published') }}
{% endtest %}
