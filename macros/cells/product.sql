{#-
    The arguments of cells(), checked and put in order: the declaration of a product.

    Returns a dict: dimensions [{name, hierarchy, several, total}], totals {name: code}, measures [{name, kind, column,
    weight, ...}] (those with columns), magnitudes (those that are not plain counts), declared {name: {kind, ...}} (derived ones too), by, contributor, requests, waivers,
    tables [{dimension: depth or none}].
    Raises a compiler error that names model, argument and value.
-#}
{%- macro _product(dimensions, measures, contributor, by, tables, requests=none, waivers=none) -%}
    {%- do sdc._require(dimensions is mapping and dimensions, 'cells', 'dimensions',
        'a mapping of at least one dimension, such as {"area": {"hierarchy": ref("area_hierarchy")}, "age_band": {}}',
        dimensions) -%}
    {%- do sdc._require(measures is mapping and measures, 'cells', 'measures',
        'a mapping of at least one measure, such as {"companies": {"count": true}}', measures) -%}
    {%- do sdc._require(contributor is string and sdc._is_name(contributor), 'cells', 'contributor',
        'the name of the column that identifies the protected unit', contributor) -%}
    {%- do sdc._require(by is sequence and by is not string and by is not mapping, 'cells', 'by',
        'a list of column names', by) -%}
    {%- for column in by -%}
        {%- do sdc._require(column is string and sdc._is_name(column), 'cells', 'by', 'a list of column names', column) -%}
        {%- do sdc._require(column not in dimensions, 'cells', 'by',
            'a list of columns that are not dimensions (a `by` column has no total)', column) -%}
    {%- endfor -%}

    {%- for argument, column in [('requests', requests), ('waivers', waivers)] -%}
        {%- do sdc._require(column is none or sdc._is_name(column), 'cells', argument,
            'the name of a boolean column of the contributions', column) -%}
    {%- endfor -%}

    {%- set taken = [] -%}
    {%- set ordered = [] -%}
    {%- set totals = {} -%}
    {%- for name, options in dimensions.items() -%}
        {%- do sdc._require(sdc._is_name(name), 'cells', 'dimensions', 'named by lower-case column names', name) -%}
        {%- do sdc._require(options is mapping, 'cells', "dimensions['" ~ name ~ "']",
            'a mapping: {} or {"hierarchy": ref("...")}', options) -%}
        {%- for key in options -%}
            {%- do sdc._require(key in ['hierarchy', 'several', 'total'], 'cells', "dimensions['" ~ name ~ "']",
                'made of the keys hierarchy, several, total', key) -%}
        {%- endfor -%}
        {%- do totals.update({name: options.get('total', sdc.total_code())}) -%}
        {%- do ordered.append({
            'name': name,
            'hierarchy': options.get('hierarchy'),
            'several': options.get('several', false),
            'total': totals[name] | replace("'", "''")
        }) -%}
        {%- do taken.extend([name, name ~ '_label', name ~ '_parents']) -%}
    {%- endfor -%}

    {%- set counted = [] -%}
    {%- set magnitudes = [] -%}
    {%- set declared = {} -%}
    {%- for name, options in measures.items() -%}
        {%- set argument = "measures['" ~ name ~ "']" -%}
        {%- do sdc._require(sdc._is_name(name), 'cells', 'measures', 'named by lower-case column names', name) -%}
        {%- for suffix in sdc._measure_suffixes() -%}
            {%- do sdc._require(name ~ suffix not in taken and name ~ suffix not in by
                    and name not in ['records', 'requests', 'cell_id'],
                'cells', argument,
                'named unlike every dimension, `by` column and reserved column (it would make a second column `'
                ~ name ~ suffix ~ '`)', name) -%}
            {%- do taken.append(name ~ suffix) -%}
        {%- endfor -%}
        {%- set measure = sdc._measure(argument, options, measures, dimensions, by) -%}
        {%- do declared.update({name: measure}) -%}
        {%- if 'parts' not in measure -%}{%- do counted.append(dict(measure, name=name)) -%}{%- endif -%}
        {%- if 'parts' not in measure and not sdc._is_count(measure) -%}
            {%- do magnitudes.append(dict(measure, name=name)) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do sdc._require(counted, 'cells', 'measures', 'made of at least one count or sum', measures) -%}

    {{- return({
        'dimensions': ordered, 'totals': totals, 'measures': counted, 'declared': declared,
        'magnitudes': magnitudes, 'by': by | list,
        'contributor': contributor, 'requests': requests, 'waivers': waivers, 'tables': sdc._tables(dimensions, tables)
    }) -}}
{%- endmacro -%}


{#- The `tables` argument as a list of {dimension: depth or none}. -#}
{%- macro _tables(dimensions, tables) -%}
    {%- if tables is none -%}{{- return([]) -}}{%- endif -%}
    {%- set example = 'a list of lists of dimensions, such as [["area", "sector"], ["district", {"sector": {"depth": 1}}]]' -%}
    {%- do sdc._require(tables is sequence and tables is not string and tables, 'cells', 'tables', example, tables) -%}
    {%- set checked = [] -%}
    {%- for table in tables -%}
        {%- do sdc._require(table is sequence and table is not string and table is not mapping and table,
            'cells', 'tables', example, table) -%}
        {%- set depths = {} -%}
        {%- for entry in table -%}
            {%- set named = entry if entry is mapping else {entry: {}} -%}
            {%- for name, options in named.items() -%}
                {%- do sdc._require(name in dimensions, 'cells', 'tables', 'made of the dimensions '
                    ~ dimensions.keys() | join(', '), name) -%}
                {%- do sdc._require(options is mapping and (not options or options.keys() | list == ['depth']),
                    'cells', 'tables', example, options) -%}
                {%- do sdc._require('depth' not in options or (options['depth'] is integer and options['depth'] > 0),
                    'cells', 'tables', 'limited by a depth of 1 or more levels below the total', options) -%}
                {%- do depths.update({name: options.get('depth')}) -%}
            {%- endfor -%}
        {%- endfor -%}
        {%- do checked.append(depths) -%}
    {%- endfor -%}
    {{- return(checked) -}}
{%- endmacro -%}
