{{ config(location=sdc.release_location('rel_census_teaching_people_by_religion')) }}

select *
from {{ ref('pub_census_teaching_people_by_religion') }}
order by all
