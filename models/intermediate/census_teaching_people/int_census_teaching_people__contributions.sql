with

persons as (

    select * from {{ ref('stg_census_teaching__persons') }}

),

final as (

    select
        person_id,
        region,
        sex,
        age,
        health,
        ethnic_group,
        religion,
        coalesce(occupation, '-9') as occupation
    from persons
    where
        is_usual_resident
        -- whoever was not asked about one of these has no place in any table: NULL is no category of them
        and health is not null
        and ethnic_group is not null
        and religion is not null

)

select * from final
