select
    region,
    region_label,
    ethnic_group,
    ethnic_group_label,
    sex,
    sex_label,
    {{ sdc.published('persons') }}
from {{ ref('int_census_teaching_people__protected') }}
where
    age = {{ sdc.total() }}
    and religion = {{ sdc.total() }}
    and health = {{ sdc.total() }}
    and occupation = {{ sdc.total() }}
