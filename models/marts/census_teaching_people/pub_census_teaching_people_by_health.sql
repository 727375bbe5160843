select
    region,
    region_label,
    health,
    health_label,
    age,
    age_label,
    {{ sdc.published('persons') }}
from {{ ref('int_census_teaching_people__protected') }}
where
    sex = {{ sdc.total() }}
    and religion = {{ sdc.total() }}
    and ethnic_group = {{ sdc.total() }}
    and occupation = {{ sdc.total() }}
