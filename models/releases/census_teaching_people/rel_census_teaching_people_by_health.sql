{{ config(location=sdc.release_location('rel_census_teaching_people_by_health')) }}

select *
from {{ ref('pub_census_teaching_people_by_health') }}
order by all
