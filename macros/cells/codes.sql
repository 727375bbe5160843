{#-
    The codes of one dimension as two CTEs:
    `<dimension>_codes`      code, label, parents (list of {hierarchy, code}), depth (0 for the total)
    `<dimension>_ancestors`  code, ancestor (itself included): the roll-up

    A dimension without a hierarchy gets one: its codes under the total.
-#}
{%- macro _codes(dimension) -%}
    {%- set name = dimension.name -%}
{{ name }}_hierarchy as (
    {%- if dimension.hierarchy is none %}
    select
        '' as hierarchy,
        code,
        case when code <> '{{ dimension.total }}' then '{{ dimension.total }}' end as parent,
        code as label
    from (
        select distinct {{ name }} as code from contributions where {{ name }} is not null
        union
        select '{{ dimension.total }}' as code
    )
    {%- else %}
    select
        {{ 'cast(hierarchy as varchar)' if dimension.several else "''" }} as hierarchy,
        cast(code as varchar) as code,
        nullif(cast(parent as varchar), '') as parent,
        cast(label as varchar) as label
    from {{ dimension.hierarchy }}
    {%- endif %}
),

{{ name }}_above as (
    select
        code,
        parent as ancestor
    from {{ name }}_hierarchy
    where parent is not null
    union
    select
        above.code,
        hierarchy.parent as ancestor
    from {{ name }}_above as above
    inner join {{ name }}_hierarchy as hierarchy on above.ancestor = hierarchy.code
    where hierarchy.parent is not null
),

{{ name }}_ancestors as (
    select
        code,
        ancestor
    from {{ name }}_above
    union
    select
        code,
        code as ancestor
    from {{ name }}_hierarchy
),

{{ name }}_codes as (
    select
        hierarchy.code,
        min(hierarchy.label) as label,
        coalesce(
            list(struct_pack(hierarchy := hierarchy.hierarchy, code := hierarchy.parent)
                order by hierarchy.hierarchy, hierarchy.parent)
                filter (where hierarchy.parent is not null),
            []
        ) as parents,
        coalesce(min(depths.depth), 0) as depth
    from {{ name }}_hierarchy as hierarchy
    left join (
        select
            code,
            count(*) as depth
        from {{ name }}_above
        group by code
    ) as depths on hierarchy.code = depths.code
    group by hierarchy.code
),
{%- endmacro -%}
