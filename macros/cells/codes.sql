{#-
    The codes of one dimension as three CTEs:
    `<dimension>_codes`      code, number, label, parents (list of {hierarchy, code}), ancestors (list of codes), depth (0 for
                            the total)
    `<dimension>_totals`     code, ancestor, by number: the roll-up
    `<dimension>_ancestors`  the same, and each code itself

    The number stands for the code until the end, because whole numbers are grouped and joined in a fraction of the time.

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
        select code from {{ name }}_used where code is not null
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

{{ name }}_codes as (
    select
        hierarchy.code,
        cast(row_number() over (order by hierarchy.code) as integer) as number,
        min(hierarchy.label) as label,
        coalesce(
            list(struct_pack(hierarchy := hierarchy.hierarchy, code := hierarchy.parent)
                order by hierarchy.hierarchy, hierarchy.parent)
                filter (where hierarchy.parent is not null),
            []
        ) as parents,
        coalesce(min(above.ancestors), []) as ancestors,
        len(coalesce(min(above.ancestors), [])) as depth
    from {{ name }}_hierarchy as hierarchy
    left join (
        select
            code,
            list(ancestor) as ancestors
        from {{ name }}_above
        group by code
    ) as above on hierarchy.code = above.code
    group by hierarchy.code
),

-- from the codes' lists: a recursion counts as a thousand times its size when joins are planned
{{ name }}_totals as (
    select
        codes.number as code,
        ancestors.number as ancestor
    from (
        select
            number,
            unnest(ancestors) as ancestor
        from {{ name }}_codes
    ) as codes
    inner join {{ name }}_codes as ancestors on codes.ancestor = ancestors.code
),

{{ name }}_ancestors as (
    select *
    from {{ name }}_totals
    union all
    select
        number as code,
        number as ancestor
    from {{ name }}_codes
),
{%- endmacro -%}


{#- The different values of a column of the contributions, and their records. -#}
{%- macro _used(column) -%}
{{ column }}_used as (
    select
        {{ column }} as code,
        count(*) as records
    from contributions
    group by {{ column }}
),
{%- endmacro -%}


{#- The values of a column that has no total, numbered in their order: `<column>_codes`. -#}
{%- macro _numbered(column) -%}
{{ column }}_codes as (
    select
        code,
        cast(row_number() over (order by code) as integer) as number
    from {{ column }}_used
),
{%- endmacro -%}
