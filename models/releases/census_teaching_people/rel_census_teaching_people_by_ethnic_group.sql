{{ config(location=sdc.release_location('rel_census_teaching_people_by_ethnic_group')) }}

select *
from {{ ref('pub_census_teaching_people_by_ethnic_group') }}
order by all
