{{ config(location=sdc.release_location('rel_technology_adoption_survey_by_area')) }}

select *
from {{ ref('pub_technology_adoption_survey_by_area') }}
order by all
