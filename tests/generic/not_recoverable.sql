{#-
    not_recoverable (on a mart)

    The attacker's audit of the table as published: knowing every number in it, that parents are sums of their
    children, that counts are whole and not negative and that what is not shown is empty, no suppressed number can be
    recovered. What is suppressed is what the table leaves out, not what a status says.

    Where an alternative to suppression protects the mart, every number is unknown within reach of the published one.

    The gate audits the whole product; this test repeats it on what a reader holds in hand, by the same engine. A mart that
    shows its whole product is the same system, and has the answer of the run's earlier audit (python/sdc/once.py).
    A failing row names measure, finding and cell. It fails also when the audit examined fewer cells than are suppressed.
-#}
{% test not_recoverable(model) %}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set mart = sdc._mart(model) -%}
    {%- set product = mart.product -%}
    {%- set source = sdc._rules_source(mart.protected) -%}
    {%- set in_force = sdc._gate_rules(mart.protected) -%}
    {%- set withstands = sdc._withstands(source) -%}
    {%- set perturbed = source.config.meta.get('sdc_method') -%}
    {%- set key = product.by + ['cell_id'] -%}

with

cells as (
    {{ sdc._published_cells(model, mart) }}
){{ ',' if mart.measures }}

{% if mart.measures %}{{ sdc._relations('cells', product) }}{% endif %}

{% for measure in mart.measures -%}
{{ measure }}_primary as (
    {{ sdc._primary_cells(measure, product, in_force, withstands.least) | indent }}
),

{% if perturbed -%}
{{ measure }}_audited as (
    select * exclude (value), value as verdict
    from (
        {{ sdc._method_audit(mart, measure) | indent(8) }}
    )
){{ ',' if not loop.last }}

{% else -%}
{{ measure }}_audited as (
    {{ sdc._engine_call('sdc_audit', product, measure,
        {'where': mart.node.name, 'pinning': withstands.pinning},
        sdc._rules_of_sums(measure, in_force, product, withstands.unions),
        "case when cells." ~ measure ~ "_published is not null then 'safe' when rules.rule is not null "
        ~ "then 'primary' else 'secondary' end") | indent }}
){{ ',' if not loop.last }}

{% endif -%}
{%- endfor -%}
{% for measure in mart.measures %}
select
    '{{ measure }}' as measure,
    coalesce(audited.verdict, 'not_examined') as finding,
    {{ sdc._cell_name(product.by + product.dimensions, 'cells.') }} as cell
from cells
left join {{ measure }}_audited as audited using ({{ key | join(', ') }})
where
    {{ 'true' if perturbed else 'cells.' ~ measure ~ '_published is null' }}
    and coalesce(audited.verdict, 'not_examined') <> 'safe'

union all
{% endfor %}

{{ sdc._not_examined(model, 'cells') }}
{% endtest %}
