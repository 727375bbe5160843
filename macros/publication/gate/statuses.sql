{#-
    A query of problems with the protected model, told from the cells model: cells missing, invented or changed, cells
    that a rule makes unsafe and the protected model calls safe, cells that are released already and suppressed now, marks of
    low reliability that are wrong, and listed cells that the product does not have. Statuses are recomputed here from the
    contributors, not believed.
-#}
{%- macro _gate_statuses(product, protected, in_force) -%}
    {%- set key = product.by + product.dimensions -%}
select 'the cells model ' || '{{ product.node }}' || ' has no cells' as problem
from {{ product.relation }}
having count(*) = 0

union all

select 'more than one row in {{ protected.name }} for a cell' as problem
from {{ protected.relation_name }}
group by {{ key | join(', ') }}
having count(*) > 1

union all

{% for entry in in_force.get('manual', {}).get('cells', []) -%}
select 'sdc_manual_cells {{ entry.id }} names no cell of the product, or an empty one' as problem
from {{ product.relation }}
having count(*) filter (where {{ sdc._is_cell(entry, product) }}) = 0

union all

{% endfor -%}
select
    case
        when cell.found is null or protected.found is null
            then '{{ protected.name }} and the cells model do not have the same cells: '
                || {{ sdc._cell_name(key, '') }}
        {%- for name in product.dimensions %}
        when cell.{{ name }}_parents is distinct from protected.{{ name }}_parents
            or cell.{{ name }}_label is distinct from protected.{{ name }}_label
            then '{{ protected.name }} places a cell otherwise than the cells model: ' || {{ sdc._cell_name(key, '') }}
        {%- endfor %}
        {%- for measure in product.measures %}
        when cell.{{ measure }} is distinct from protected.{{ measure }}
            or cell.{{ measure }}_contributors is distinct from protected.{{ measure }}_contributors
            then '{{ protected.name }} has changed {{ measure }} of a cell: ' || {{ sdc._cell_name(key, '') }}
        when coalesce(protected.{{ measure }}_status not in ('safe', 'primary', 'secondary'), true)
            then '{{ protected.name }} has no status for {{ measure }} of a cell: ' || {{ sdc._cell_name(key, '') }}
        when cell.{{ measure }}_rule is not null and protected.{{ measure }}_status = 'safe'
            then '{{ measure }} of a cell is unsafe by the rule ' || cell.{{ measure }}_rule || ' but not suppressed: '
                || {{ sdc._cell_name(key, '') }}
        when cell.{{ measure }}_reliability is distinct from protected.{{ measure }}_reliability
            then '{{ protected.name }} has changed the reliability of {{ measure }} of a cell: '
                || {{ sdc._cell_name(key, '') }}
        {%- endfor %}
        {%- if protected.config.meta.sdc_frozen %}
        when coalesce(protected.is_frozen, true) and not (
            {%- for measure in product.measures -%}
                protected.{{ measure }}_status = 'safe'{{ ' and ' if not loop.last }}
            {%- endfor -%}
        )
            then '{{ protected.name }} suppresses a cell that is released already (frozen): ' || {{ sdc._cell_name(key, '') }}
        {%- endif %}
    end as problem
from (select true as found, * from {{ sdc._ruled_cells(product.relation, product, in_force) }}) as cell
full join (select true as found, * from {{ protected.relation_name }}) as protected using ({{ key | join(', ') }})
where problem is not null
{%- endmacro -%}
