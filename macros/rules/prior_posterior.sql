{#-
    The prior-posterior rule (p,q): who knows every contribution to within q percent beforehand must not know one to within
    p percent afterwards. Unsafe when `q (X - x1 - x2) < p x1` (strict); with q = 100 it is the p% rule. Required protection
    `p/q x1 - (X - x1 - x2)`. Strictest of several: the larger p and the smaller q.
    Source: Handbook on Statistical Disclosure Control (2nd ed.), (p,q) rule.
-#}
{%- macro rule_prior_posterior(measure, asked, product) -%}
    {%- if not sdc._is_magnitude(product.measures[measure]) -%}{{- return(none) -}}{%- endif -%}
    {%- set cell = sdc._concentration(measure, 1) -%}
    {%- set rest = '(' ~ cell.size ~ ' - ' ~ cell.target ~ ' - ' ~ cell.others ~ ')' -%}
    {{- return({
        'condition': measure ~ '_contributors > 0 and ' ~ asked.q ~ ' * ' ~ rest ~ ' < ' ~ asked.p ~ ' * ' ~ cell.target,
        'upl': asked.p ~ ' * ' ~ cell.target ~ ' / ' ~ asked.q ~ ' - ' ~ rest,
        'of_sums': asked
    }) -}}
{%- endmacro -%}


{%- macro prior_posterior_parameters() -%}
    {{- return({
        'p': sdc._percentage('larger', 'a contribution, known afterwards', required=true),
        'q': sdc._percentage('smaller', 'each contribution, known beforehand', required=true)
    }) -}}
{%- endmacro -%}
