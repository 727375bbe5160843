{#-
    Protection on request: a cell is unsafe when a contributor that asked for protection holds more than `share` percent of
    it (strict; magnitudes only), or is in it with fewer than `contributors` contributors. Required protection: `level`
    percent of the cell. Needs cells(..., requests='<column>').
    Source: tau-Argus manual, request rule; Handbook on Statistical Disclosure Control (2nd ed.).
-#}
{%- macro rule_request(measure, asked, product) -%}
    {%- do sdc._require(product.requests, 'protect', 'request', 'a rule for a product that knows who asked for protection: '
        ~ 'name the column with cells(..., requests="<column>")', 'cells() without requests') -%}
    {%- set is_magnitude = sdc._is_magnitude(product.measures[measure]) -%}
    {%- set size = measure ~ '_absolute' if is_magnitude else 'abs(' ~ measure ~ ')' -%}
    {%- set conditions = [] -%}
    {%- if asked.contributors is not none -%}
        {%- do conditions.append(measure ~ '_contributors < ' ~ asked.contributors) -%}
    {%- endif -%}
    {%- if asked.share is not none and is_magnitude -%}
        {%- do conditions.append('100 * abs(' ~ measure ~ '_requested_largest) > ' ~ asked.share ~ ' * ' ~ size) -%}
    {%- endif -%}
    {%- if not conditions -%}{{- return(none) -}}{%- endif -%}
    {{- return({
        'condition': measure ~ '_contributors > 0 and requests > 0 and (' ~ conditions | join(' or ') ~ ')',
        'upl': asked.level ~ ' * ' ~ size ~ ' / 100'
    }) -}}
{%- endmacro -%}


{%- macro request_parameters() -%}
    {{- return({
        'share': sdc._percentage('smaller', 'the cell'),
        'contributors': sdc._parameter('larger', 'a whole number of contributors, 1 or more', lowest=1, whole=true),
        'level': sdc._percentage('larger', 'the cell', default=10)
    }) -}}
{%- endmacro -%}
