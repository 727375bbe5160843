with

source as (

    select * from {{ source('business_register', 'local_units') }}

),

renamed as (

    select
        -- keys
        period,
        {{ sdc.pseudonym('local_unit_reference') }} as local_unit_id,
        {{ sdc.pseudonym('enterprise_reference') }} as enterprise_id,
        {{ sdc.pseudonym('enterprise_group_reference') }} as enterprise_group_id,

        -- classifications
        itl3_code as area,
        substr(sic2007_class, 1, 2) || '.' || substr(sic2007_class, 3, 2) as sic_class,
        substr(enterprise_sic2007_class, 1, 2) || '.' || substr(enterprise_sic2007_class, 3, 2)
            as enterprise_sic_class,
        is_headquarters,

        -- measures
        employment,
        turnover
    from source

)

select * from renamed
