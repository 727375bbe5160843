{#-
    A query of problems: rows of the candidate that are not cells of the product, or do not say what the cell's status
    allows, derived measures computed again from their parts. A dimension the mart leaves out stands for its total. Cells
    are named by their codes, never by a value.
-#}
{%- macro _gate_rows(candidate, columns, product, protected) -%}
    {%- set shown = [] -%}
    {%- for name in product.by + product.dimensions if name in columns -%}{%- do shown.append(name) -%}{%- endfor -%}
    {%- set named = shown | reject('in', product.by) | list -%}
    {%- set derived = product.derived.keys() | select('in', columns) | list -%}
    {%- set name_of_row = sdc._cell_name(shown, 'row_read.') if shown else "'the only row'" -%}
select 'the table is empty: nothing would be published' as problem
from {{ candidate }}
having count(*) = 0

union all

select 'more than one row for ' || min({{ name_of_row }}) as problem
from {{ candidate }} as row_read
group by {{ shown | join(', ') if shown else 'all' }}
having count(*) > 1

union all

select
    case
        when cell.found is null then 'not a cell of the product: ' || {{ name_of_row }}
        {%- for name in product.dimensions if name ~ '_label' in columns %}
        when row_read.{{ name }}_label is distinct from cell.{{ name }}_label
            then '{{ name }}_label is not the label of the code: ' || {{ name_of_row }}
        {%- endfor %}
        {%- for measure in product.measures if measure in columns %}
        when cell.{{ measure }}_status <> 'safe' and row_read.{{ measure }} is not null
            then '{{ measure }} is shown for a suppressed cell: ' || {{ name_of_row }}
        when cell.{{ measure }}_status <> 'safe' and row_read.{{ measure }}_marker is distinct from '[c]'
            then '{{ measure }} lacks the marker [c]: ' || {{ name_of_row }}
        when cell.{{ measure }}_status = 'safe' and row_read.{{ measure }} is distinct from cell.{{ measure }}
            then '{{ measure }} is not the value of the cell: ' || {{ name_of_row }}
        when cell.{{ measure }}_status = 'safe'
            and row_read.{{ measure }}_marker is distinct from case when cell.{{ measure }}_reliability = 'low' then '[u]' end
            then '{{ measure }} has a marker it should not have, or lacks [u]: ' || {{ name_of_row }}
        {%- endfor %}
        {%- for measure in derived %}
        when not cell.{{ measure }}_is_safe and row_read.{{ measure }} is not null
            then '{{ measure }} is shown although a part of it is suppressed: ' || {{ name_of_row }}
        when row_read.{{ measure }}_marker is distinct from cell.{{ measure }}_made_marker
            then '{{ measure }} does not have the marker it should have: ' || {{ name_of_row }}
        when cell.{{ measure }}_is_safe and row_read.{{ measure }} is distinct from cell.{{ measure }}
            then '{{ measure }} is not what its published parts give: ' || {{ name_of_row }}
        {%- endfor %}
    end as problem
from {{ candidate }} as row_read
left join (
    select
        true as found,
        *
        {%- for measure in derived %}
        {%- set sql = sdc._derived_sql(product.derived[measure], product, protected.relation_name) %},
        {{ sql.is_safe }} as {{ measure }}_is_safe,
        {{ sql.value }} as {{ measure }},
        {{ sql.marker }} as {{ measure }}_made_marker
        {%- endfor %}
    from {{ protected.relation_name }}
    where
        true
        {%- for name in product.dimensions if name not in columns %}
        and {{ name }} = '{{ product.totals[name] | replace("'", "''") }}'
        {%- endfor %}
) as cell on true
    {%- for name in shown %}
    and cast(row_read.{{ name }} as varchar) = cell.{{ name }}
    {%- endfor %}
where problem is not null
{%- endmacro -%}
