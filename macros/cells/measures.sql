{#-
    The measures of a product: what each option of the argument `measures` of cells() means, checked.

    {'count': true}                                  records
    {'count': 'unit_id'}                             records in which the column is not NULL
    {'sum': 'turnover'}                              a sum; 'negatives': 'absolute' where contributions may be negative: they
                                                     rank by their absolute value, and the size is the sum of these
    {'count': true, 'weight': 'weight'}              a survey's estimate, its unweighted base beside it; weights are rounded
    {'sum': 'spend', 'weight': 'weight'}             to six decimals, records' weighted values to the measure's
    {'mean': ['turnover', 'companies']}              derived from published parts: macros/cells/derived.sql
    {'ratio': ['turnover', 'staff']}
    {'percentage': ['adopters', 'companies']}
    {'growth': 'turnover', 'over': 'period'}         percent on the previous value of a `by` column
    {'quantile': 'size_band', 'of': 'companies', 'at': 0.5, 'bounds': {'0-9': [0, 10], '10+': [10, none]}}

    Each may have 'decimals': 2 by default, 1 for percent. Up to four, amounts may add up to 18 digits in all, decimals
    included; cells() says so where they do not.
-#}


{#- The options of each kind besides itself. -#}
{%- macro _measure_kinds() -%}
    {{- return({
        'count': ['weight', 'decimals'],
        'sum': ['weight', 'negatives', 'decimals'],
        'mean': ['decimals'],
        'ratio': ['decimals'],
        'percentage': ['decimals'],
        'growth': ['over', 'decimals'],
        'quantile': ['of', 'at', 'bounds', 'decimals']
    }) -}}
{%- endmacro -%}


{#- What a measure's name is followed by in columns of the cells, protected and published models, and on the way there. -#}
{%- macro _measure_suffixes() -%}
    {{- return(['', '_contributors', '_sole_contributor', '_largest', '_absolute', '_zero_contributors', '_unweighted',
        '_requested_largest', '_given', '_amount', '_weight', '_status', '_reason', '_lower', '_upper', '_verdict', '_reliability', '_protects',
        '_basis', '_through', '_margin', '_marker', '_is_safe']) -}}
{%- endmacro -%}


{#-
    One measure: {kind, column, weight, negatives, decimals}, or {kind, parts, decimals, ...} where it is derived. Kinds:
    records, count, sum, weighted_count, weighted_sum; mean, ratio, percentage, growth, quantile.
-#}
{%- macro _measure(argument, options, measures, dimensions, by) -%}
    {%- set kinds = sdc._measure_kinds() -%}
    {%- do sdc._require(options is mapping, 'cells', argument, 'a mapping, such as {"count": true}', options) -%}
    {%- for extreme in ['min', 'max', 'minimum', 'maximum'] if extreme in options -%}
        {%- do exceptions.raise_compiler_error('sdc.cells in ' ~ model.name ~ ': `' ~ argument ~ '` asks for a ' ~ extreme
            ~ ', which is some contributor\'s own value and is never published. A quantile is interpolated: '
            ~ '{"quantile": "<dimension of bands>", "of": "<count>", "at": 0.9, "bounds": {...}}') -%}
    {%- endfor -%}
    {%- set asked = kinds.keys() | select('in', options) | list -%}
    {%- do sdc._require(asked | length == 1, 'cells', argument,
        'one of {"count": true}, {"count": "<column>"}, {"sum": "<column>"}, with a "weight" where it is a survey, '
        ~ 'or derived: ' ~ kinds.keys() | reject('in', ['count', 'sum']) | join(', '), options) -%}
    {%- set kind = asked[0] -%}
    {%- for key in options -%}
        {%- do sdc._require(key == kind or key in kinds[kind], 'cells', argument,
            'made of the keys ' ~ ([kind] + kinds[kind]) | join(', '), key) -%}
    {%- endfor -%}
    {%- set decimals = options.get('decimals', 1 if kind in ['percentage', 'growth'] else 2) -%}
    {%- do sdc._require(decimals is integer and decimals is not boolean and 0 <= decimals <= 9, 'cells', argument,
        'a number with 0 to 9 decimals', decimals) -%}
    {%- if kind in ['count', 'sum'] -%}
        {{- return(sdc._counted_measure(argument, kind, options, decimals)) -}}
    {%- endif -%}
    {{- return(sdc._derived_measure(argument, kind, options, decimals, measures, dimensions, by)) -}}
{%- endmacro -%}


{#- A count or sum, weighted or not. -#}
{%- macro _counted_measure(argument, kind, options, decimals) -%}
    {%- set column = options[kind] -%}
    {%- set weight = options.get('weight') -%}
    {%- do sdc._require(sdc._is_name(column) or (kind == 'count' and column is sameas true), 'cells', argument,
        'about a column' ~ (', or true for the number of records' if kind == 'count' else ''), column) -%}
    {%- do sdc._require('weight' not in options or sdc._is_name(weight), 'cells', argument,
        'weighted by a column', weight) -%}
    {%- do sdc._require(options.get('negatives') in [none, 'absolute'], 'cells', argument,
        'with "negatives": "absolute", or without negative contributions', options.get('negatives')) -%}
    {%- set named = 'weighted_' ~ kind if weight else ('records' if column is sameas true else kind) -%}
    {{- return({'kind': named, 'column': column, 'weight': weight, 'negatives': options.get('negatives'),
        'decimals': decimals}) -}}
{%- endmacro -%}


{#- A measure computed from published ones, its parts: measures of the same product that are counts or sums. -#}
{%- macro _derived_measure(argument, kind, options, decimals, measures, dimensions, by) -%}
    {%- set parts = options[kind] if kind in ['mean', 'ratio', 'percentage']
        else [options[kind]] if kind == 'growth' else [options.get('of')] -%}
    {%- do sdc._require(parts is sequence and parts is not string and parts is not mapping
            and parts | length == (2 if kind in ['mean', 'ratio', 'percentage'] else 1), 'cells', argument,
        'made of two measures, such as {"' ~ kind ~ '": ["turnover", "companies"]}', parts) -%}
    {%- set counted = [] -%}
    {%- for name, other in measures.items() if other is mapping and ('count' in other or 'sum' in other) -%}
        {%- do counted.append(name) -%}
    {%- endfor -%}
    {%- for part in parts -%}
        {%- do sdc._require(part in counted, 'cells', argument,
            'made of measures of this product that are counts or sums (' ~ counted | join(', ') ~ ')', part) -%}
    {%- endfor -%}
    {%- set measure = {'kind': kind, 'parts': parts | list, 'decimals': decimals} -%}
    {%- if kind == 'mean' -%}
        {%- do sdc._require('sum' in measures[parts[0]] and 'count' in measures[parts[1]], 'cells', argument,
            'a sum over a count; for anything else say ratio', parts) -%}
    {%- elif kind == 'growth' -%}
        {%- set over = options.get('over', by[0] if by | length == 1 else none) -%}
        {%- do sdc._require(over in by, 'cells', argument,
            'growth over one of the `by` columns, named with "over" (' ~ (by | join(', ') or 'none') ~ ')', over) -%}
        {%- do measure.update({'over': over}) -%}
    {%- elif kind == 'quantile' -%}
        {%- set at = options.get('at') -%}
        {%- do sdc._require(options['quantile'] in dimensions, 'cells', argument,
            'a quantile over a dimension of bands (' ~ dimensions.keys() | join(', ')
            ~ '): from published counts in bands, never from contributors\' own values', options['quantile']) -%}
        {%- do sdc._require('count' in measures[parts[0]], 'cells', argument, 'a quantile of a count', parts[0]) -%}
        {%- do sdc._require(at is number and at is not boolean and 0 < at < 1, 'cells', argument,
            'a quantile "at" a share between 0 and 1, such as 0.5', at) -%}
        {%- do measure.update({'bands': options['quantile'], 'at': at,
            'bounds': sdc._bounds(argument, options.get('bounds'))}) -%}
    {%- endif -%}
    {{- return(measure) -}}
{%- endmacro -%}


{#- The bounds of a quantile's bands as [{code, lowest, highest}], in order; bands without bounds are left out. -#}
{%- macro _bounds(argument, bounds) -%}
    {%- set wanted = 'made with "bounds" of every band, each beginning where the one before it ends, the last one open or not: '
        ~ '{"0-9": [0, 10], "10+": [10, none]}; none for a band that has no size' -%}
    {%- do sdc._require(bounds is mapping and bounds, 'cells', argument, wanted, bounds) -%}
    {%- set bands = [] -%}
    {%- for code, pair in bounds.items() if pair is not none -%}
        {%- do sdc._require(pair is sequence and pair is not string and pair | length == 2 and pair[0] is number
            and (pair[1] is none or (pair[1] is number and pair[1] > pair[0])), 'cells', argument, wanted, code) -%}
        {%- do sdc._require(not bands or bands[-1].highest == pair[0], 'cells', argument, wanted, code) -%}
        {%- do bands.append({'code': code, 'lowest': pair[0], 'highest': pair[1]}) -%}
    {%- endfor -%}
    {%- do sdc._require(bands, 'cells', argument, wanted, bounds) -%}
    {{- return({'bands': bands, 'without': bounds.keys() | reject('in', bands | map(attribute='code') | list) | list}) -}}
{%- endmacro -%}
