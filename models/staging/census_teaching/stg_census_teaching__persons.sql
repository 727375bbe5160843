with

source as (

    select * from {{ source('census_teaching', 'persons') }}

),

renamed as (

    select
        -- keys
        {{ sdc.pseudonym('person_id') }} as person_id,

        -- classifications
        region,
        sex,
        age,
        nullif(health, '-9') as health,
        nullif(ethnic_group, '-9') as ethnic_group,
        nullif(religion, '-9') as religion,
        nullif(occupation, '-9') as occupation,

        -- flags
        population_base = '1' as is_usual_resident
    from source

)

select * from renamed
