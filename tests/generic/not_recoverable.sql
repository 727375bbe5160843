{#-
    not_recoverable (on a mart)

    The attacker's audit of the table as published: knowing every number in it, that parents are sums of their
    children, that counts are whole and not negative and that what is not shown is empty, no suppressed number can be
    recovered. What is suppressed is what the table leaves out, not what a status says.

    The gate audits the whole product; this test is its independent repetition on what a reader holds in hand.
    A failing row names measure, finding and cell. It fails also when the audit examined fewer cells than are suppressed.
-#}
{% test not_recoverable(model) %}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set mart = sdc._mart(model) -%}
    {%- set product = mart.product -%}
    {%- set in_force = sdc._gate_rules(mart.protected) -%}
    {%- set key = product.by + ['cell_id'] -%}

with

cells as (
    {{ sdc._published_cells(model, mart) }}
),

{{ sdc._relations('cells', product) }}

{% for measure in mart.measures -%}
{%- set primary = sdc._primary(measure, in_force) -%}
{{ measure }}_primary as (
    select
        {{ key | join(', ') }},
        {% for rule in primary %}{{ 'or ' if not loop.first }}({{ rule.condition }}){% endfor %} as is_unsafe,
        greatest({{ primary | map(attribute='upl') | join(', ') }}, 0) as level
    from cells
),

{{ measure }}_audited as (
    {{ sdc._engine_call('sdc_audit', product, measure, 'cells', {'where': mart.node.name},
        "case when cells." ~ measure ~ "_published is not null then 'safe' when rules.is_unsafe then 'primary' "
        ~ "else 'secondary' end", measure ~ '_primary',
        mart.protected.config.meta.sdc_least_suppressed_count) | indent }}
){{ ',' if not loop.last }}

{% endfor -%}
{% for measure in mart.measures %}
select
    '{{ measure }}' as measure,
    coalesce(audited.verdict, 'not_examined') as finding,
    {{ sdc._cell_name(product.by + product.dimensions, 'cells.') }} as cell
from cells
left join {{ measure }}_audited as audited using ({{ key | join(', ') }})
where
    cells.{{ measure }}_published is null
    and coalesce(audited.verdict, 'not_examined') <> 'safe'

union all
{% endfor %}

{{ sdc._not_examined(model, 'cells') }}
{% endtest %}
