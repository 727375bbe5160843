with

source as (

    select * from {{ source('technology_survey', 'responses') }}

),

renamed as (

    select
        -- keys
        period,
        {{ sdc.pseudonym('enterprise_reference') }} as enterprise_id,
        {{ sdc.pseudonym('enterprise_group_reference') }} as enterprise_group_id,

        -- classifications
        itl3_code as area,
        substr(sic2007_class, 1, 2) || '.' || substr(sic2007_class, 3, 2) as sic_class,
        employment,

        -- answers
        uses_artificial_intelligence,
        uses_cloud_computing,
        uses_data_analytics,
        uses_internet_of_things,
        uses_robotics,
        weight
    from source

)

select * from renamed
