select
    region,
    region_label,
    religion,
    religion_label,
    age,
    age_label,
    {{ sdc.published('persons') }}
from {{ ref('int_census_teaching_people__protected') }}
where
    sex = {{ sdc.total() }}
    and ethnic_group = {{ sdc.total() }}
    and health = {{ sdc.total() }}
    and occupation = {{ sdc.total() }}
