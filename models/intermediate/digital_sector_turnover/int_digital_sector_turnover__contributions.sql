with

local_units as (

    select * from {{ ref('stg_business_register__local_units') }}

),

sic_2007_classes as (

    select * from {{ ref('sic_2007_classes') }}

),

digital_sector as (

    select * from {{ ref('digital_sector_hierarchy') }}

),

published_codes as (

    select * from {{ ref('digital_and_telecoms_hierarchy') }}

),

size_bands as (

    select * from {{ ref('size_bands') }}

),

-- a site is as large as its enterprise: employment over all local units, whatever they do and wherever they are
enterprises as (

    select
        period,
        enterprise_id,
        sum(employment) as employment
    from local_units
    group by
        period,
        enterprise_id

),

final as (

    select
        local_units.period,
        local_units.enterprise_group_id,
        local_units.area,
        -- the class where it is published, which is in telecoms only, else its sub-sector
        coalesce(published_codes.code, digital_sector.parent) as sub_sector,
        size_bands.size_band,
        local_units.turnover
    from local_units
    inner join enterprises
        on
            local_units.period = enterprises.period
            and local_units.enterprise_id = enterprises.enterprise_id
    left outer join sic_2007_classes on local_units.sic_class = sic_2007_classes.sic_class
    left outer join digital_sector on local_units.sic_class = digital_sector.code
    left outer join published_codes on local_units.sic_class = published_codes.code
    left outer join size_bands
        on
            enterprises.employment >= size_bands.lowest
            and enterprises.employment <= coalesce(size_bands.highest, enterprises.employment)
    where
        case
            -- a code that SIC 2007 does not have would silently not be digital
            when sic_2007_classes.sic_class is null
                then error(
                    'int_digital_sector_turnover__contributions: ' || local_units.sic_class || ' is not a class of '
                    || 'SIC 2007 (seed sic_2007_classes). Map it to one in staging'
                )
            else digital_sector.code is not null
        end

)

select * from final
