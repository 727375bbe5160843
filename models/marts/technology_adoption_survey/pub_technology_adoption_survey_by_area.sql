select
    period,
    technology,
    area,
    area_label,
    size_band,
    size_band_label,
    {{ sdc.published('enterprises') }},
    {{ sdc.published('adopters') }},
    {{ sdc.published('adoption_rate') }}
from {{ ref('int_technology_adoption_survey__protected') }}
where industry = {{ sdc.total() }}
