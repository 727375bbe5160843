{#-
    What the policy asks for people's special categories, whatever the rule set: a source, seed or model that names some in
    `sdc_special_categories` of its meta puts every table below it under these conditions, as its agreement does. Not
    variables, so that no command line can lower them.

    Returns {rule: parameters}; {} for no category. Raises a compiler error that names the origin and the category for one
    that the law does not know. Source: policy section 4 (special category information, UK GDPR Articles 9 and 10), and the
    thresholds of secure research services.
-#}
{%- macro _of_special_categories(origin, categories) -%}
    {%- set known = [
        'racial or ethnic origin', 'political opinions', 'religious or philosophical beliefs', 'trade union membership',
        'genetic data', 'biometric data', 'health', 'sex life', 'sexual orientation', 'criminal offences'
    ] -%}
    {%- do sdc._require(categories is sequence and categories is not string and categories is not mapping, 'protect',
        'sdc_special_categories of ' ~ origin, 'a list, of ' ~ known | join(', '), categories) -%}
    {%- for category in categories -%}
        {%- do sdc._require(category in known, 'protect', 'sdc_special_categories of ' ~ origin,
            'made of ' ~ known | join(', '), category) -%}
    {%- endfor -%}
    {{- return({'threshold': 10, 'group_disclosure': {'share': 100, 'all_but': 1}} if categories else {}) -}}
{%- endmacro -%}
