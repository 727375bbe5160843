with

source as (

    select * from {{ source('company_register', 'companies') }}

),

renamed as (

    select
        -- keys
        {{ sdc.pseudonym('company_number') }} as company_id,

        -- classifications
        lad_code as local_authority,
        nullif(
            regexp_extract(upper(trim(postcode)), '^([A-Z]{1,2}[0-9][A-Z0-9]?) *[0-9][A-Z]{2}$', 1), ''
        ) as postcode_district,
        case
            when regexp_full_match(sic5_1, '[0-9]{5}') then substr(sic5_1, 1, 2) || '.' || substr(sic5_1, 3, 2)
        end as sic_class,
        category as legal_form,
        status,

        -- dates
        incorporation_date
    from source

)

select * from renamed
