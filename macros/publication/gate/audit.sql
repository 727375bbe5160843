{#-
    The attacker's audit of a protected model as it stands, over the whole product, one row a measure: cells, how many
    are suppressed, how many the audit examined, how many of those are open, which findings, and the first cells' names.
    Statuses are the model's; what a rule makes unsafe is primary whatever the model says.
-#}
{%- macro _gate_audit_query(product, protected, in_force) -%}
    {%- set key = product.by + ['cell_id'] -%}
with

cells as (
    select
        row_number() over ({{ sdc._partition(product.by) }} order by {{ product.dimensions | join(', ') }}) as cell_id,
        * exclude (cell_id)
    from {{ protected.relation_name }}
),

{{ sdc._relations('cells', product) }}

{% for measure in product.measures -%}
{%- set primary = sdc._primary(measure, in_force) -%}
{{ measure }}_primary as (
    select
        {{ key | join(', ') }},
        case
            {%- for rule in primary %}
            when {{ rule.condition }} then '{{ rule.rule }}'
            {%- endfor %}
        end as rule,
        greatest({{ primary | map(attribute='upl') | join(', ') }}, 0) as level
    from cells
),

{{ measure }}_audited as (
    {{ sdc._engine_call('sdc_audit', product, measure, 'cells', {'where': protected.name},
        "case when rules.rule is not null then 'primary' else cells." ~ measure ~ "_status end", measure ~ '_primary',
        protected.config.meta.sdc_least_suppressed_count) | indent }}
),

{% endfor -%}
findings as (
    {%- for measure in product.measures %}
    select
        '{{ measure }}' as measure,
        cells.{{ measure }}_status <> 'safe' as is_suppressed,
        audited.verdict,
        {{ sdc._cell_name(product.by + product.dimensions, 'cells.') }} as cell_name
    from cells
    left join {{ measure }}_audited as audited using ({{ key | join(', ') }})
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
)

select
    measure,
    count(*) as cells,
    count(*) filter (where is_suppressed) as suppressed,
    count(*) filter (where is_suppressed and verdict is not null) as examined,
    count(*) filter (where is_suppressed and coalesce(verdict <> 'safe', true)) as open,
    coalesce(string_agg(distinct verdict, ', ' order by verdict) filter (where verdict <> 'safe'), '') as findings,
    coalesce(array_to_string(list(cell_name order by cell_name) filter (where verdict <> 'safe')[:3], '; '), '') as named
from findings
group by measure
order by measure
{%- endmacro -%}
