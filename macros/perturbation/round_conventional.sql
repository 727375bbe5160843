{#-
    round_conventional(protected, base)

    Conventional (deterministic) rounding of what suppression has left: a protected model made from a protected model. Suppressed
    cells stay suppressed, published values are rounded each for itself, so rounded tables need not add. Percentages,
    means and rates of a mart come from the rounded values, because a mart knows no others.

    protected  ref() to a model made by sdc.protect()
    base       a whole number, 'graduated', or one of these for each measure: {'shops': 5, 'turnover': 1000}; a measure
               that is not named is withheld
-#}
{%- macro round_conventional(protected, base) -%}
    {%- do sdc._declare_method('conventional_rounding', 'that of the suppression', {}, {'base': base}) -%}
    {%- if not execute -%}{{- return('') -}}{%- endif -%}
    {%- set product = sdc._product_of(model, 'round_conventional') -%}
    {%- set bases = sdc._conventional_bases(model, product, base, sdc._suppressed_upstream(model)) -%}
    {%- set measures = product.measures -%}
select
    protected.* replace (
        {%- for measure in measures %}
        cast({{ 'case when ' ~ measure ~ "_status = 'safe' then " ~ sdc._conventionally(measure, bases[measure]) ~ ' end'
            if measure in bases else 'null' }} as {{ sdc._measure_type(product.measures[measure]) }}) as {{ measure }},
        {%- if measure not in bases %}
        'primary' as {{ measure }}_status,
        {%- endif %}
        {%- if loop.last %}
        protected.cell_id as cell_id
        {%- endif %}
        {%- endfor %}
    )
from {{ protected }} as protected
order by {{ (product.by + product.dimensions) | join(', ') }}
{%- endmacro -%}


{#- One value rounded to a base, or on the graduated scale, as SQL. -#}
{%- macro _conventionally(column, base) -%}
    {{- sdc.graduated(column) if base == 'graduated' else sdc.rounded(column, base) -}}
{%- endmacro -%}


{#- The model made by sdc.protect() that a rounded model rounds; a compiler error where there is none. -#}
{%- macro _suppressed_upstream(node) -%}
    {%- set found = sdc._upstream_with_role(node, 'protected') -%}
    {%- if found | length != 1 or found[0].config.meta.get('sdc_method') -%}
        {%- do exceptions.raise_compiler_error('sdc.round_conventional in ' ~ node.name ~ ': `protected` must be one model made by '
            ~ 'sdc.protect(): suppress first, then round; got: ' ~ (found | map(attribute='name') | join(', ') or 'none')) -%}
    {%- endif -%}
    {{- return(found[0]) -}}
{%- endmacro -%}


{#-
    {measure: base}, checked: the threshold must be where a multiple's bucket begins (base 5: 3 or 8; base 10: 5 or 15).
    Otherwise the lowest published multiple stands for a few values only: with base 5 and threshold 5 a 5 means 5, 6 or 7.
-#}
{%- macro _conventional_bases(node, product, base, suppressed) -%}
    {%- set bases = sdc._bases(node, product, base, 'round_conventional', ['graduated']) -%}
    {%- set threshold = sdc._threshold_of(sdc._rules_of(suppressed)) -%}
    {%- for measure, value in bases.items() if sdc._is_count(product.measures[measure]) -%}
        {%- set first = sdc._graduated_scale()[0][1] if value == 'graduated' else value -%}
        {%- if (2 * threshold + first) // (2 * first) == (2 * (threshold - 1) + first) // (2 * first) -%}
            {%- set edge = (first + 1) // 2 -%}
            {%- do exceptions.raise_compiler_error('sdc.round_conventional in ' ~ node.name ~ ': `base` ' ~ value ~ ' of ' ~ measure
                ~ ' leaks under the threshold in force in ' ~ suppressed.name ~ ': the lowest published multiple would '
                ~ 'stand for a few values only. Take a threshold of ' ~ edge ~ ' or ' ~ edge + first ~ ' with this base, or another base') -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(bases) -}}
{%- endmacro -%}


{#- The argument `base` as {measure: base}, each a positive whole number or one of `words`. -#}
{%- macro _bases(node, product, base, macro, words=[]) -%}
    {%- set own = product.measures -%}
    {%- set asked = base if base is mapping else {} -%}
    {%- if base is not mapping -%}
        {%- for measure in own -%}{%- do asked.update({measure: base}) -%}{%- endfor -%}
    {%- endif -%}
    {%- for measure, value in asked.items() -%}
        {%- if measure not in own -%}
            {%- do exceptions.raise_compiler_error('sdc.' ~ macro ~ ' in ' ~ node.name ~ ': `base` must name measures of the product: '
                ~ own | join(', ') ~ '; got: ' ~ measure) -%}
        {%- elif value not in words and (value is not integer or value is boolean or value < 2) -%}
            {%- do exceptions.raise_compiler_error('sdc.' ~ macro ~ ' in ' ~ node.name ~ ': `base` of ' ~ measure
                ~ ' must be a whole number, 2 or more' ~ (', or ' ~ words | join(', ') if words else '') ~ '; got: ' ~ value) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not asked -%}
        {%- do exceptions.raise_compiler_error('sdc.' ~ macro ~ ' in ' ~ node.name ~ ': `base` must name at least one measure') -%}
    {%- endif -%}
    {{- return(asked) -}}
{%- endmacro -%}
