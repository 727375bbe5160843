{#-
    The attacker's audit of a protected model as it stands, over the whole product, one row a measure: cells, how many
    are suppressed, how many the audit examined, how many of those are open, which findings, and the first cells' names.
    Only the statuses are the protected model's, all else is the cells model's; what a rule makes unsafe is primary
    whatever the status says.
-#}
{%- macro _gate_audit_query(product, protected, in_force) -%}
    {%- set key = product.by + ['cell_id'] -%}
    {%- set withstands = sdc._withstands(protected) -%}
with

cells as (
{{ sdc._numbered_cells(sdc._cells_with_statuses(product, protected), product) }}
),

{{ sdc._relations('cells', product) }}

{% for measure in product.measures -%}
{{ measure }}_primary as (
    {{ sdc._primary_cells(measure, product, in_force, withstands.least) | indent }}
),

{{ measure }}_audited as (
    {{ sdc._engine_call('sdc_audit', product, measure, {'where': protected.name, 'pinning': withstands.pinning},
        sdc._rules_of_sums(measure, in_force, product, withstands.unions),
        "case when rules.rule is not null then 'primary' else cells." ~ measure ~ "_status end") | indent }}
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


{#- The cells model with the protected model's statuses, as a subquery. -#}
{%- macro _cells_with_statuses(product, protected) -%}
    (
        select
            cells.*
            {%- for measure in product.measures %},
            protected.{{ measure }}_status
            {%- endfor %}
        from {{ product.relation }} as cells
        left join {{ protected.relation_name }} as protected using ({{ (product.by + product.dimensions) | join(', ') }})
    )
{%- endmacro -%}
