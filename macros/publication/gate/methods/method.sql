{#-
    Refuse a protected model that an alternative to suppression has made, unless its published values are recomputed or verified
    from the cells model: nothing the protected model says is believed. Returns the digest of what was verified.
-#}
{%- macro _gate_method(product, protected) -%}
    {%- set method = protected.config.meta.sdc_method -%}
    {%- if method not in sdc._methods() -%}
        {%- do sdc._refuse([protected.name ~ ' declares the method ' ~ method ~ ', which the gate does not know; known: '
            ~ sdc._methods().keys() | join(', ')]) -%}
    {%- endif -%}
    {%- do sdc._refuse_if(sdc._methods()[method](product, protected)) -%}
    {%- set columns = product.by + product.dimensions -%}
    {%- for measure in product.measures -%}{%- do columns.extend([measure, measure ~ '_status']) -%}{%- endfor -%}
    {%- set digest = run_query(sdc._content_hash('(select ' ~ columns | join(', ') ~ ' from ' ~ protected.relation_name ~ ')')) -%}
    {{- return(local_md5(digest.columns[0].values()[0] ~ method ~ tojson(protected.config.meta.sdc_parameters)
        ~ tojson(sdc._gate_rules(protected), sort_keys=true))) -}}
{%- endmacro -%}


{#-
    A query of problems: cells that the protected model lacks, invents or places otherwise; values that are shown though withheld; and
    cells for which a check does not hold (nor is known to hold).

    truth   the relation or subquery whose cells are compared with, as `cell`, with `<measure>_reliability`; the protected model
            is `protected`
    checks  {measure: [{sound: SQL that must be true where the value is shown, says: what is wrong otherwise}]};
            measures that are not named must be withheld
-#}
{%- macro _gate_cells(product, protected, truth, checks) -%}
    {%- set key = product.by + product.dimensions -%}
    {%- set name = sdc._cell_name(key, '') -%}
select 'the cells model {{ product.node }} has no cells' as problem
from {{ product.relation }}
having count(*) = 0

union all

select 'more than one row in {{ protected.name }} for a cell' as problem
from {{ protected.relation_name }}
group by {{ key | join(', ') }}
having count(*) > 1

union all

select
    case
        when cell.found is null or protected.found is null
            then '{{ protected.name }} and the cells model do not have the same cells: ' || {{ name }}
        {%- for dimension in product.dimensions %}
        when cell.{{ dimension }}_parents is distinct from protected.{{ dimension }}_parents
            or cell.{{ dimension }}_label is distinct from protected.{{ dimension }}_label
            then '{{ protected.name }} places a cell otherwise than the cells model: ' || {{ name }}
        {%- endfor %}
        {%- for measure in product.measures %}
        when coalesce(protected.{{ measure }}_status not in ('safe', 'primary', 'secondary'), true)
            then '{{ protected.name }} has no status for {{ measure }} of a cell: ' || {{ name }}
        when (protected.{{ measure }} is not null) <> (protected.{{ measure }}_status = 'safe')
            then '{{ measure }} of a cell is withheld and has a value, or is shown and has none: ' || {{ name }}
        when cell.{{ measure }}_reliability is distinct from protected.{{ measure }}_reliability
            then '{{ protected.name }} has changed the reliability of {{ measure }} of a cell: ' || {{ name }}
        {%- if measure not in checks %}
        when protected.{{ measure }} is not null
            then '{{ measure }} is shown, though the method does not treat it: ' || {{ name }}
        {%- endif %}
        {%- for check in checks.get(measure, []) %}
        when protected.{{ measure }} is not null and not coalesce({{ check.sound }}, false)
            then '{{ measure }} {{ check.says }}: ' || {{ name }}
        {%- endfor %}
        {%- endfor %}
    end as problem
from (select true as found, * from {{ truth }}) as cell
full join (select true as found, * from {{ protected.relation_name }}) as protected using ({{ key | join(', ') }})
where problem is not null
{%- endmacro -%}


{#- A query of problems: relations of the product that the published values do not satisfy. Names the total. -#}
{%- macro _gate_additive(product, protected, measures) -%}
select problem
from (
    with

    cells as (
        select
            row_number() over ({{ sdc._partition(product.by) }} order by {{ product.dimensions | join(', ') }}) as cell_id,
            * exclude (cell_id)
        from {{ protected.relation_name }}
    ),

    {{ sdc._relations('cells', product) }}

    sums_checked as (
        {%- for measure in measures %}
        select
            {{ sdc._prefixed(product.by, 'relations.') }}
            relations.relation_id,
            '{{ measure }}' as measure,
            min({{ sdc._cell_name(product.by + product.dimensions, 'cells.') }}) filter (where coefficient > 0) as total,
            sum(case when coefficient > 0 then cells.{{ measure }} else -cells.{{ measure }} end) as difference
        from relations
        inner join cells using ({{ (product.by + ['cell_id']) | join(', ') }})
        group by all
        {{- '\n        union all' if not loop.last }}
        {%- endfor %}
    )

    select measure || ' does not add up to ' || total as problem
    from sums_checked
    where coalesce(difference <> 0, true)
)
{%- endmacro -%}
