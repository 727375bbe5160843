-- The methods compared for one table: companies by local authority and industry, lowest cells, on one scale of utility.
-- For the choice of a method, before the product is built with it; internal. Suppression is the product's own pattern;
-- rounding is conventional, of what suppression leaves. Another method's protected model holds its published values:
-- join it by the dimensions and add it as one more `union all`.
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

suppressed as (
    select
        companies as true_value,
        case when companies_status = 'safe' then companies end as published_value
    from {{ ref('int_company_register__protected') }}
    where
        local_authority not in (select totals.code from totals)
        and industry not in (select totals.code from totals)
        and postcode_district = {{ sdc.total() }}
        and age_band = {{ sdc.total() }}
),

published as (
    select
        'suppression' as protection,
        true_value,
        published_value
    from suppressed
    union all
    select
        'suppression, then rounding to 5' as protection,
        true_value,
        {{ sdc.rounded('published_value', 5) }} as published_value
    from suppressed
)

select
    protection,
    {{ sdc.utility('true_value', 'published_value') }}
from published
group by protection
order by protection
