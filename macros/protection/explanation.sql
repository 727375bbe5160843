{#-
    Why the cells of a measure are suppressed, as a CTE `<measure>_explained`, one row a suppressed cell, over `cells`,
    `<measure>_audited` (of sdc_explain) and `relation_names`:

    basis      'examined' where the engine has examined the cell's block of linked cells; 'linked' where the block is too
               large for that, and only its relations were looked at
    protects   for a secondary: the names of the primaries that need it (list of varchar). Exactly these where examined, and
               then an empty list says that no primary needs it alone; where linked, the nearest ones
    through    for a secondary: the relation through which, in words
    margin     for a primary: by how much the attacker's interval (<measure>_lower, <measure>_upper) at least exceeds what is asked, in
               units of the measure

    Only for output checkers: like intervals, they would tell readers what suppression hides, and the gate lets none of
    them through. Source of the definitions: python/sdc/engine/explain.py.
-#}
{%- macro _explanation(measure, product) -%}
{%- set key = (product.by + ['cell_id']) | join(', ') -%}
{{ measure }}_protected_names as (
    select
        {{ sdc._prefixed(product.by, 'needing.') }}
        needing.cell_id,
        list({{ sdc._cell_name(product.dimensions, 'cells.') }} order by cells.cell_id) as names
    from (
        select
            {{ sdc._prefixed(product.by, '') }}
            cell_id,
            unnest(protects) as primary_id
        from {{ measure }}_audited
    ) as needing
    inner join cells on needing.primary_id = cells.cell_id
        {%- for column in product.by %}
        and needing.{{ column }} = cells.{{ column }}
        {%- endfor %}
    group by all
),

{{ measure }}_explained as (
    select
        {{ sdc._prefixed(product.by, '') }}
        cell_id,
        basis,
        case when protects is not null then coalesce(names, []) end as protects,
        relation_name as through,
        margin
    from {{ measure }}_audited
    left join {{ measure }}_protected_names using ({{ key }})
    left join relation_names using ({{ (product.by + ['relation_id']) | join(', ') }})
),
{%- endmacro -%}
