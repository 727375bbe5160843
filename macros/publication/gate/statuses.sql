{#-
    A query of problems with the protected model, told from the cells model: cells missing, invented or changed, and
    cells that a rule makes unsafe and the protected model calls safe. Statuses are recomputed here from the contributor
    counts, not believed.
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
        {%- for rule in sdc._primary(measure, in_force) %}
        when ({{ sdc._qualified(rule.condition, measure, 'cell') }}) and protected.{{ measure }}_status = 'safe'
            then '{{ measure }} of a cell is unsafe by the rule {{ rule.rule }} but not suppressed: '
                || {{ sdc._cell_name(key, '') }}
        {%- endfor %}
        {%- endfor %}
    end as problem
from (select true as found, * from {{ product.relation }}) as cell
full join (select true as found, * from {{ protected.relation_name }}) as protected using ({{ key | join(', ') }})
where problem is not null
{%- endmacro -%}


{#- A rule's condition with the measure's columns read from one side of a join. -#}
{%- macro _qualified(condition, measure, alias) -%}
    {{- modules.re.sub('(?<![a-z0-9_.])(' ~ measure ~ '(?:_[a-z_]+)?)(?![a-z0-9_])', alias ~ '.\\1', condition) -}}
{%- endmacro -%}
