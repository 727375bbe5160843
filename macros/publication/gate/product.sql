{#-
    Refuse a product whose protected model cannot be trusted: statuses first (_gate_statuses), then the audit
    (_gate_audit), both over the whole product. Within one run, a product whose audit has passed is not audited again for
    its other marts, as long as codes, values, statuses and rules are the same. Returns the digest of these.
-#}
{%- macro _gate_product(product, protected) -%}
    {%- if protected.config.meta.get('sdc_method') -%}{{- return(sdc._gate_method(product, protected)) -}}{%- endif -%}
    {%- set in_force = sdc._gate_rules(protected) -%}
    {%- set pattern = sdc._pattern(product, protected, in_force) -%}
    {%- set passed = run_query(
        "select 1 from " ~ protected.database ~ ".governance.audit_log where product = '" ~ product.node
        ~ "' and pattern = '" ~ pattern ~ "' and invocation = '" ~ invocation_id ~ "' limit 1") -%}
    {%- do sdc._refuse_if(sdc._gate_statuses(product, protected, in_force)) -%}
    {%- if passed.rows | length == 0 -%}
        {%- set counts = run_query(sdc._gate_audit_query(product, protected, in_force)) -%}
        {%- set problems = [] -%}
        {%- for row in counts.rows -%}
            {%- if row['cells'] == 0 -%}
                {%- do problems.append('the audit of ' ~ row['measure'] ~ ' found no cells to examine') -%}
            {%- elif row['examined'] != row['suppressed'] -%}
                {%- do problems.append('the audit of ' ~ row['measure'] ~ ' examined ' ~ row['examined'] ~ ' of '
                    ~ row['suppressed'] ~ ' suppressed cells') -%}
            {%- elif row['open'] > 0 -%}
                {%- do problems.append('the audit of ' ~ row['measure'] ~ ': ' ~ row['open'] ~ ' of ' ~ row['suppressed']
                    ~ ' suppressed cells can be recovered or are protected too little (' ~ row['findings'] ~ '): '
                    ~ row['named']) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- if counts.rows | length != product.measures | length -%}
            {%- do problems.append('the audit examined ' ~ counts.rows | length ~ ' of ' ~ product.measures | length ~ ' measures') -%}
        {%- endif -%}
        {%- if problems -%}
            {%- do sdc._refuse(problems) -%}
        {%- endif -%}
        {%- for row in counts.rows -%}
            {%- do run_query(
                "insert into " ~ protected.database ~ ".governance.audit_log values ('" ~ product.node ~ "', '" ~ pattern
                ~ "', '" ~ row['measure'] ~ "', " ~ row['cells'] ~ ", " ~ row['suppressed'] ~ ", " ~ row['examined']
                ~ ", now(), '" ~ invocation_id ~ "')") -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(pattern) -}}
{%- endmacro -%}


{#- The rules the gate applies: those in force for the protected model, told again from the graph (_conditions). -#}
{%- macro _gate_rules(protected) -%}
    {%- if not protected.config.meta.get('sdc_rule_set') -%}
        {%- do sdc._refuse(['its protected model ' ~ protected.name ~ ' declares no rules: it must be a call of sdc.protect()']) -%}
    {%- endif -%}
    {{- return(sdc._rules_of(protected)) -}}
{%- endmacro -%}


{#- Digest of what the audit looked at: the cells with what they add up to and who is in them, statuses, rules, attacker. -#}
{%- macro _pattern(product, protected, in_force) -%}
    {%- set digest = run_query(sdc._content_hash(sdc._cells_with_statuses(product, protected))) -%}
    {{- return(local_md5(digest.columns[0].values()[0] ~ tojson(in_force, sort_keys=true) ~ tojson(product.measures)
        ~ tojson(sdc._withstands(protected)))) -}}
{%- endmacro -%}


{#- The same digest as sdc.publication.content_hash in Python: rows in any order, one text. -#}
{%- macro _content_hash(relation) -%}
    select count(*)::varchar || '-' || coalesce(hex(bit_xor(md5_number(rows_read::varchar))::varchar), '')
    from {{ relation }} as rows_read
{%- endmacro -%}


{#- The gate's own records in the restricted database, and the schema for its candidates; made on-run-start. -#}
{%- macro _gate_tables(database) -%}
    {%- do run_query('create schema if not exists ' ~ database ~ '.candidates') -%}
    {%- do run_query('create schema if not exists ' ~ database ~ '.governance') -%}
    {%- do run_query('create table if not exists ' ~ database ~ '.governance.audit_log (product varchar, pattern varchar, '
        ~ 'measure varchar, cells bigint, suppressed bigint, examined bigint, audited_at timestamptz, invocation varchar)') -%}
    {%- do run_query('create table if not exists ' ~ database ~ '.governance.gate_log (mart varchar, product varchar, '
        ~ 'pattern varchar, content varchar, rule_set varchar, published_rows bigint, gated_at timestamptz, invocation varchar)') -%}
{%- endmacro -%}


{#- The gate's certificate for a candidate: promotion asks for one that matches the table's content exactly. -#}
{%- macro _certify(candidate, product, protected, pattern) -%}
    {%- do run_query(
        "insert into " ~ protected.database ~ ".governance.gate_log select '" ~ model.name ~ "', '" ~ product.node ~ "', '"
        ~ pattern ~ "', (" ~ sdc._content_hash(candidate) ~ "), '" ~ protected.config.meta.sdc_rule_set ~ "', "
        ~ "(select count(*) from " ~ candidate ~ "), now(), '" ~ invocation_id ~ "'") -%}
{%- endmacro -%}
