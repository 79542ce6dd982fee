//! Fixed paths, matched without regard to case.

use axum::{Router, body::Body};
use http::{Request, Response, Uri};
use std::convert::Infallible;
use tower::{Service, ServiceExt as _};

pub const DISCOVERY: &str = "/EnrollmentServer/Discovery.svc";
pub const POLICY: &str = "/EnrollmentServer/Policy.svc";
pub const ENROLLMENT: &str = "/EnrollmentServer/Enrollment.svc";
pub const MANAGEMENT: &str = "/ManagementServer/Manage.svc";
const FIXED: [&str; 4] = [DISCOVERY, POLICY, ENROLLMENT, MANAGEMENT];
const CONTENT: &str = "/content/";

/// The routes, reached by any spelling of their paths.
pub fn ignoring_case(
    routes: Router,
) -> impl Service<
    Request<Body>,
    Response = Response<Body>,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send,
> + Clone
+ Send
+ Sync
+ 'static {
    routes.map_request(|mut request: Request<Body>| {
        if let Some(uri) = canonical(request.uri()) {
            *request.uri_mut() = uri;
        }
        request
    })
}

/// The address in its canonical spelling, where it has another one.
fn canonical(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let known = FIXED.iter().find(|fixed| fixed.eq_ignore_ascii_case(path));
    let spelled = match (known, path.get(..CONTENT.len())) {
        (Some(fixed), _) if *fixed == path => return None,
        (None, Some(CONTENT)) => return None,
        (Some(fixed), _) => (*fixed).to_owned(),
        (None, Some(prefix)) if prefix.eq_ignore_ascii_case(CONTENT) => {
            format!("{CONTENT}{}", &path[CONTENT.len()..])
        }
        _ => return None,
    };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{spelled}{query}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_paths_are_recognized_in_any_case_and_others_left_alone() {
        let canonical = |text: &str| canonical(&text.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(
            canonical("/ENROLLMENTSERVER/discovery.SVC").as_deref(),
            Some(DISCOVERY)
        );
        assert_eq!(
            canonical("/managementserver/manage.svc?mode=Machine&Platform=WoA").as_deref(),
            Some("/ManagementServer/Manage.svc?mode=Machine&Platform=WoA")
        );
        assert_eq!(
            canonical("/Content/AB/File.msix?exp=1").as_deref(),
            Some("/content/AB/File.msix?exp=1")
        );
        for usual in ["/other", MANAGEMENT, "/content/ab/File.msix?exp=1"] {
            assert_eq!(canonical(usual), None);
        }
    }
}
