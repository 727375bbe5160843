{#-
    The arguments of cells(), checked and put in order: the declaration of a product.

    Returns a dict: dimensions [{name, hierarchy, several, total}], totals {name: code}, measures [{name, kind, column,
    decimals}], by, contributor, tables [{dimension: depth or none}].
    Raises a compiler error that names model, argument and value.
-#}
{%- macro _product(dimensions, measures, contributor, by, tables) -%}
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
    {%- for name, options in measures.items() -%}
        {%- set argument = "measures['" ~ name ~ "']" -%}
        {%- do sdc._require(sdc._is_name(name), 'cells', 'measures', 'named by lower-case column names', name) -%}
        {%- for suffix in ['', '_contributors', '_sole_contributor', '_status', '_reason', '_lower', '_upper',
                           '_verdict', '_marker'] -%}
            {%- do sdc._require(name ~ suffix not in taken and name ~ suffix not in by and name not in ['records', 'cell_id'],
                'cells', argument,
                'named unlike every dimension, `by` column and reserved column (it would make a second column `'
                ~ name ~ suffix ~ '`)', name) -%}
            {%- do taken.append(name ~ suffix) -%}
        {%- endfor -%}
        {%- do sdc._require(options is mapping and ('count' in options) != ('sum' in options), 'cells', argument,
            'one of {"count": true}, {"count": "<column>"}, {"sum": "<column>"}', options) -%}
        {%- for key in options -%}
            {%- do sdc._require(key in ['count', 'sum', 'decimals'], 'cells', argument,
                'made of the keys count, sum, decimals', key) -%}
        {%- endfor -%}
        {%- set kind = 'sum' if 'sum' in options else ('records' if options['count'] is sameas true else 'count') -%}
        {%- set column = options.get('sum', options.get('count')) -%}
        {%- do sdc._require(kind == 'records' or (column is string and sdc._is_name(column)), 'cells', argument,
            'about a column, or true for the number of records', column) -%}
        {%- do counted.append({'name': name, 'kind': kind, 'column': column, 'decimals': options.get('decimals', 2)}) -%}
    {%- endfor -%}

    {{- return({
        'dimensions': ordered, 'totals': totals, 'measures': counted, 'by': by | list,
        'contributor': contributor, 'tables': sdc._tables(dimensions, tables)
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
