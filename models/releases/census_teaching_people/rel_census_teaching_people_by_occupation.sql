{{ config(location=sdc.release_location('rel_census_teaching_people_by_occupation')) }}

select *
from {{ ref('pub_census_teaching_people_by_occupation') }}
order by all
