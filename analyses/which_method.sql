-- The methods compared for one table: companies by local authority and industry, lowest cells, on one scale of utility.
-- For the choice of a method, before the product is built with it; internal. Suppression is the product's own pattern;
-- conventional rounding is of what suppression leaves. Controlled rounding and adjustment (unsafe counts to 0 or to 5)
-- are of this table alone with its totals. A sum of record keys is as any number from 0 to 255: here a hash of the cell
-- stands for it, so the noise is that of the p-table and not what a product would publish.
-- Run with `make dbt ARGS="show --select which_method"`.
with

totals as (
    select hierarchy.parent as code
    from {{ ref('local_authority_hierarchy') }} as hierarchy
    where hierarchy.parent is not null
    union all
    select hierarchy.parent as code
    from {{ ref('industry_hierarchy') }} as hierarchy
    where hierarchy.parent is not null
),

cells as (
    select
        row_number() over (order by local_authority, industry) as cell_id,
        local_authority,
        industry,
        companies,
        companies_status,
        local_authority not in (select totals.code from totals)
        and industry not in (select totals.code from totals) as is_lowest
    from {{ ref('int_company_register__protected') }}
    where
        postcode_district = {{ sdc.total() }}
        and age_band = {{ sdc.total() }}
),

sums as (
    select
        'local_authority' as dimension,
        total.cell_id as total_id,
        part.cell_id as part_id
    from cells as part
    inner join {{ ref('local_authority_hierarchy') }} as hierarchy on part.local_authority = hierarchy.code
    inner join cells as total on hierarchy.parent = total.local_authority and part.industry = total.industry
    union all
    select
        'industry' as dimension,
        total.cell_id as total_id,
        part.cell_id as part_id
    from cells as part
    inner join {{ ref('industry_hierarchy') }} as hierarchy on part.industry = hierarchy.code
    inner join cells as total on part.local_authority = total.local_authority and hierarchy.parent = total.industry
),

numbered_sums as (
    select
        dense_rank() over (order by dimension, total_id) as relation_id,
        total_id,
        part_id
    from sums
),

relations as (
    select distinct
        relation_id,
        total_id as cell_id,
        cast(1 as double) as coefficient
    from numbered_sums
    union all
    select
        relation_id,
        part_id as cell_id,
        cast(-1 as double) as coefficient
    from numbered_sums
),

relation_lists as (
    select
        list(
            struct_pack(relation_id := relation_id, cell_id := cell_id, coefficient := coefficient)
            order by relation_id, cell_id
        ) as relation_list
    from relations
),

value_lists as (
    select
        list(
            struct_pack(
                cell_id := cell_id, name := local_authority || ', ' || industry, value := cast(companies as double)
            )
            order by cell_id
        ) as value_list,
        list(
            struct_pack(
                cell_id := cell_id,
                name := local_authority || ', ' || industry,
                value := cast(companies as double),
                status := case when companies_status = 'primary' and companies > 0 then 'primary' else 'safe' end,
                cost := cast(null as double),
                lower := cast(0 as double),
                upper := cast(null as double),
                upl := cast(greatest(5 - companies, 1) as double),
                lpl := cast(companies as double),
                spl := cast(0 as double),
                frozen := false,
                contributor := cast(null as bigint),
                "integer" := true -- noqa: RF06
            )
            order by cell_id
        ) as level_list
    from cells
),

controlled as (
    select
        unnest(
            sdc_round(value_lists.value_list, relation_lists.relation_list, '{"base": 5, "where": "which_method"}'),
            recursive := true
        )
    from value_lists
    cross join relation_lists
),

adjusted as (
    select
        unnest(
            sdc_adjust(value_lists.level_list, relation_lists.relation_list, '{"where": "which_method"}'),
            recursive := true
        )
    from value_lists
    cross join relation_lists
),

noise as (
    select
        pcv,
        ckey,
        pvalue,
        max(pcv) over () as largest
    from {{ ref('ptable_5_3') }}
),

lowest as (
    select
        cells.local_authority,
        cells.industry,
        cells.companies as true_value,
        case when cells.companies_status = 'safe' then cells.companies end as suppressed,
        controlled.rounded as controlled,
        adjusted.adjusted,
        case when cells.companies = 0 then 0 else cells.companies + noise.pvalue end as perturbed
    from cells
    inner join controlled on cells.cell_id = controlled.cell_id
    inner join adjusted on cells.cell_id = adjusted.cell_id
    left outer join noise
        on
            noise.pcv = least(cells.companies, noise.largest)
            and noise.ckey = hash(cells.local_authority || ', ' || cells.industry) % 256
    where cells.is_lowest
),

published as (
    select
        'suppression' as protection,
        true_value,
        suppressed as published_value
    from lowest
    union all
    select
        'suppression, then rounding to 5' as protection,
        true_value,
        {{ sdc.rounded('suppressed', 5) }} as published_value
    from lowest
    union all
    select
        'controlled rounding to 5' as protection,
        true_value,
        controlled as published_value
    from lowest
    union all
    select
        'adjustment' as protection,
        true_value,
        adjusted as published_value
    from lowest
    union all
    select
        'cell key' as protection,
        true_value,
        perturbed as published_value
    from lowest
)

select
    protection,
    {{ sdc.utility('true_value', 'published_value') }}
from published
group by protection
order by protection
