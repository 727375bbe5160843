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

size_bands as (

    select * from {{ ref('size_bands') }}

),

-- an enterprise's employment is that of all its local units, whatever they do and wherever they are
enterprises as (

    select
        period,
        enterprise_id,
        min(area) filter (where is_headquarters) as area,
        min(enterprise_sic_class) as sic_class,
        sum(employment) as employment
    from local_units
    group by
        period,
        enterprise_id

),

-- each business once as what it is: the column of the other kind is empty, so that it counts for one measure only
businesses as (

    select
        period,
        enterprise_id,
        area,
        sic_class,
        employment,
        enterprise_id as enterprise_reference,
        cast(null as varchar) as local_unit_reference
    from enterprises
    union all
    select
        period,
        enterprise_id,
        area,
        sic_class,
        employment,
        cast(null as varchar) as enterprise_reference,
        local_unit_id as local_unit_reference
    from local_units

),

final as (

    select
        businesses.period,
        businesses.enterprise_id,
        businesses.area,
        businesses.sic_class as sub_sector,
        size_bands.size_band,
        businesses.enterprise_reference,
        businesses.local_unit_reference
    from businesses
    left outer join sic_2007_classes on businesses.sic_class = sic_2007_classes.sic_class
    left outer join digital_sector on businesses.sic_class = digital_sector.code
    left outer join size_bands
        on
            businesses.employment >= size_bands.lowest
            and businesses.employment <= coalesce(size_bands.highest, businesses.employment)
    where
        case
            -- a code that SIC 2007 does not have would silently not be digital
            when sic_2007_classes.sic_class is null
                then error(
                    'int_digital_businesses__contributions: ' || businesses.sic_class || ' is not a class of '
                    || 'SIC 2007 (seed sic_2007_classes). Map it to one in staging'
                )
            else digital_sector.code is not null
        end

)

select * from final
