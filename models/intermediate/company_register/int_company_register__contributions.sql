{%- set given_date = var('sdc_companies_reference_date', '') -%}
with

companies as (

    select * from {{ ref('stg_company_register__companies') }}

),

local_authorities as (

    select * from {{ ref('local_authority_hierarchy') }}

),

postcode_districts as (

    select * from {{ ref('postcode_districts') }}

),

postcode_district_codes as (

    select * from {{ ref('postcode_district_hierarchy') }}

),

industries as (

    select * from {{ ref('industry_hierarchy') }}

),

age_bands as (

    select * from {{ ref('age_bands') }}

),

-- the day after the latest incorporation: an extract is complete up to the day before it was made
reference_date as (

    select
        coalesce(
            cast(nullif('{{ given_date }}', '') as date),
            max(incorporation_date) + 1,
            current_date
        ) as reference_date
    from companies

),

located as (

    select
        companies.company_id,
        companies.postcode_district,
        companies.sic_class,
        coalesce(companies.local_authority, postcode_districts.local_authority) as local_authority,
        -- completed years, none before the first birthday
        case
            when companies.incorporation_date > reference_date.reference_date then 0
            else date_sub('year', companies.incorporation_date, reference_date.reference_date)
        end as age
    from companies
    cross join reference_date
    left outer join postcode_districts on companies.postcode_district = postcode_districts.postcode_district

),

final as (

    select
        located.company_id,
        located.local_authority,
        case
            when located.postcode_district is null then 'Not stated'
            else coalesce(postcode_district_codes.code, 'Other')
        end as postcode_district,
        coalesce(industries.code, 'Not stated') as industry,
        coalesce(age_bands.age_band, 'Not stated') as age_band
    from located
    inner join local_authorities on located.local_authority = local_authorities.code
    left outer join postcode_district_codes on located.postcode_district = postcode_district_codes.code
    left outer join industries on located.sic_class = industries.code
    left outer join age_bands
        on
            located.age >= age_bands.lowest
            and located.age <= coalesce(age_bands.highest, located.age)

)

select * from final
