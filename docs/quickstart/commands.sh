# [START install]
python3 -m venv quickstart
. quickstart/bin/activate
pip install 'airflow-provider-braze-messaging[sandbox]'
# [END install]

# [START sandbox]
python -m braze_provider.sandbox &
# [END sandbox]

# [START airflow]
export AIRFLOW_HOME=$PWD/airflow
export AIRFLOW__CORE__DAGS_FOLDER=$PWD/dags
export AIRFLOW__CORE__LOAD_EXAMPLES=False
export AIRFLOW_CONN_BRAZE_DEFAULT='{"conn_type": "braze", "host": "http://127.0.0.1:8010", "password": "sandbox-rest-api-key"}'
airflow db migrate
# [END airflow]

# [START run]
airflow dags test first_message
# [END run]

# [START look]
curl 'http://127.0.0.1:8010/_sandbox/recipients?id=ada'
# [END look]

# [START fault]
curl http://127.0.0.1:8010/_sandbox/faults -d '{"kind": "disconnect", "endpoint": "/messages/send"}'
airflow dags test first_message || echo 'The run has failed, as it should.'
# [END fault]

# [START stop]
kill %1
# [END stop]
