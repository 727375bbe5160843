-- How much of each product is withheld: cells and their value, by measure and reason. For the review of a release;
-- internal, because reasons tell primary from secondary. Run with `make dbt ARGS="show --select what_is_withheld"`.
with

withheld as (
    select
        'company_register' as product,
        'companies' as measure,
        companies as cell_value,
        coalesce(companies_reason, 'published') as reason
    from {{ ref('int_company_register__protected') }}
    union all
    select
        'digital_businesses' as product,
        'enterprises' as measure,
        enterprises as cell_value,
        coalesce(enterprises_reason, 'published') as reason
    from {{ ref('int_digital_businesses__protected') }}
    union all
    select
        'digital_businesses' as product,
        'local_units' as measure,
        local_units as cell_value,
        coalesce(local_units_reason, 'published') as reason
    from {{ ref('int_digital_businesses__protected') }}
)

select
    product,
    measure,
    reason,
    count(*) as cells,
    round(100.0 * count(*) / sum(count(*)) over (partition by product, measure), 1) as percent_of_cells,
    round(100.0 * sum(cell_value) / sum(sum(cell_value)) over (partition by product, measure), 2) as percent_of_value
from withheld
group by
    product,
    measure,
    reason
order by
    product,
    measure,
    reason
