with

responses as (

    select * from {{ ref('stg_technology_survey__responses') }}

),

industries as (

    select * from {{ ref('industry_hierarchy') }}

),

size_bands as (

    select * from {{ ref('size_bands') }}

),

answers as (

    select
        period,
        enterprise_group_id,
        area,
        sic_class,
        employment,
        weight,
        unnest(
            [
                struct_pack(technology := 'Artificial intelligence', is_used := uses_artificial_intelligence),
                struct_pack(technology := 'Cloud computing', is_used := uses_cloud_computing),
                struct_pack(technology := 'Data analytics', is_used := uses_data_analytics),
                struct_pack(technology := 'Internet of things', is_used := uses_internet_of_things),
                struct_pack(technology := 'Robotics', is_used := uses_robotics)
            ]
        ) as answer
    from responses

),

classified as (

    select
        answers.period,
        struct_extract(answers.answer, 'technology') as technology,
        answers.enterprise_group_id,
        answers.area,
        -- no enterprise that answered may drop out of the estimates
        coalesce(
            industries.parent,
            error(
                'int_technology_adoption_survey__contributions: ' || answers.sic_class || ' is not a class of the '
                || 'seed industry_hierarchy. Map it to one in staging'
            )
        ) as industry,
        size_bands.size_band,
        answers.weight,
        cast(struct_extract(answers.answer, 'is_used') as integer) as adopts
    from answers
    left outer join industries on answers.sic_class = industries.code
    left outer join size_bands
        on
            answers.employment >= size_bands.lowest
            and answers.employment <= coalesce(size_bands.highest, answers.employment)

),

final as (

    select
        period,
        technology,
        enterprise_group_id,
        area,
        industry,
        size_band,
        weight,
        -- a question left open is answered by the mean of those like the respondent, or else of all
        cast(
            coalesce(
                adopts,
                avg(adopts) over (partition by period, technology, industry, size_band),
                avg(adopts) over (partition by period, technology)
            ) as decimal(3, 2)
        ) as adopts
    from classified

)

select * from final
